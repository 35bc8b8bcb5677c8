//! The work on tokio, on its scheduler for one thread. The variant `tuned` is what one writes who knows where its
//! time goes: tasks of a `LocalSet`, and a yield that does not ask the driver.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use peers::hello::hello;
use peers::{DEPTH, Dormitory, HOUR, Meter, Work, answer, nap};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};
use tokio::task::{JoinHandle, LocalSet, yield_now};
use tokio::time::{sleep, timeout};

/// A yield that only puts the task back into the queue.
struct QuickYield(bool);

impl Future for QuickYield {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

thread_local! {
    static TUNED: Cell<bool> = const { Cell::new(false) };
}

/// Both ways of writing it, decided before the hot loops.
async fn spin(times: usize) -> usize {
    if TUNED.get() {
        for _ in 0..times {
            QuickYield(false).await;
        }
    } else {
        for _ in 0..times {
            yield_now().await;
        }
    }
    times
}

fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    match TUNED.get() {
        true => tokio::task::spawn_local(future),
        false => tokio::spawn(future),
    }
}

async fn sum(handles: Vec<JoinHandle<usize>>) -> usize {
    let mut sum = 0;
    for handle in handles {
        sum += handle.await.expect("no task fails");
    }
    sum
}

/// The first task meters: from when all have begun until its own last yield.
async fn metered(task: usize, each: usize) -> usize {
    spin(2).await;
    let meter = (task == 0).then(Meter::start);
    assert_eq!(spin(each).await, each);
    meter.map_or(0, |meter| meter.cpu().as_nanos() as usize)
}

async fn yields(tasks: usize, each: usize) -> f64 {
    let handles = (0..tasks).map(|task| spawn(metered(task, each))).collect();
    sum(handles).await as f64 / (tasks * each) as f64
}

async fn round_trips(times: usize) -> f64 {
    let (there, mut asked) = mpsc::channel(1);
    let (back, mut answered) = mpsc::channel(1);
    let meter = Meter::start();
    let echo = spawn(async move {
        for _ in 0..times {
            let n: usize = asked.recv().await.expect("the other side is there");
            back.send(n + 1).await.expect("the other side is there");
        }
        times
    });
    // Not in the main future: only tasks are scheduled as tasks.
    let main = spawn(async move {
        for n in 0..times {
            there.send(n).await.expect("the other side is there");
            assert_eq!(answered.recv().await, Some(n + 1));
        }
        times
    });
    assert_eq!(sum(vec![echo, main]).await, 2 * times);
    meter.ns_per(times)
}

async fn spawn_await(times: usize) -> f64 {
    spawn(async move {
        let meter = Meter::start();
        for n in 0..times {
            assert_eq!(spawn(async move { n }).await.expect("no task fails"), n);
        }
        meter.ns_per(times)
    })
    .await
    .expect("no task fails")
}

async fn burst<F>(tasks: usize, body: impl Fn(usize) -> F) -> [f64; 3]
where
    F: Future<Output = usize> + Send + 'static,
{
    let meter = Meter::start();
    let handles: Vec<_> = (0..tasks).map(|n| spawn(body(n))).collect();
    assert_eq!(sum(handles).await, tasks * (tasks - 1) / 2);
    meter.burst(tasks)
}

async fn bursts<F>(tasks: usize, body: impl Fn(usize) -> F)
where
    F: Future<Output = usize> + Send + 'static,
{
    answer(&[burst(tasks, &body).await, burst(tasks, &body).await].concat());
}

/// Recursion needs a box.
fn descend(depth: usize, times: usize) -> Pin<Box<dyn Future<Output = usize> + Send>> {
    Box::pin(async move {
        match depth {
            0 => spin(times).await,
            _ => descend(depth - 1, times).await + 1,
        }
    })
}

async fn descents(descents: usize, times: usize) -> f64 {
    spawn(async move {
        let meter = Meter::start();
        for _ in 0..descents {
            assert_eq!(descend(DEPTH, times).await, times + DEPTH);
        }
        meter.ns_per(descents * times)
    })
    .await
    .expect("no task fails")
}

async fn contended(tasks: usize, each: usize) -> f64 {
    let count = Arc::new(Mutex::new(0));
    let meter = Meter::start();
    let locking = |_| {
        let count = Arc::clone(&count);
        spawn(async move {
            for _ in 0..each {
                let mut count = count.lock().await;
                let before = *count;
                spin(1).await; // nobody else gets in
                *count = before + 1;
            }
            each
        })
    };
    assert_eq!(sum((0..tasks).map(locking).collect()).await, tasks * each);
    assert_eq!(*count.lock().await, tasks * each);
    meter.ns_per(tasks * each)
}

async fn sleeping(tasks: usize) -> ! {
    let dormitory = Dormitory::open();
    if TUNED.get() {
        let started = Rc::new(Cell::new(0));
        for _ in 0..tasks {
            let started = Rc::clone(&started);
            tokio::task::spawn_local(async move {
                started.set(started.get() + 1);
                sleep(HOUR).await;
            });
        }
        while started.get() < tasks {
            yield_now().await;
        }
    } else {
        let started = Arc::new(AtomicUsize::new(0));
        for _ in 0..tasks {
            let started = Arc::clone(&started);
            tokio::spawn(async move {
                started.fetch_add(1, Ordering::Relaxed);
                sleep(HOUR).await;
            });
        }
        while started.load(Ordering::Relaxed) < tasks {
            yield_now().await;
        }
    }
    dormitory.all_asleep(tasks)
}

async fn sleeps(tasks: usize, each: usize) -> f64 {
    let meter = Meter::start();
    let sleeper = |task| {
        spawn(async move {
            for n in 0..each {
                sleep(nap(task, n)).await;
            }
            each
        })
    };
    assert_eq!(sum((0..tasks).map(sleeper).collect()).await, tasks * each);
    meter.ns_per(tasks * each)
}

async fn timeouts(alive: usize, times: usize) -> f64 {
    for _ in 0..alive {
        spawn(async {
            sleep(HOUR).await;
        });
    }
    yield_now().await; // they are asleep
    spawn(async move {
        let meter = Meter::start();
        let mut done = 0;
        for _ in 0..times {
            done += timeout(HOUR, spin(1)).await.expect("nobody waits so long");
        }
        assert_eq!(done, times);
        meter.ns_per(times)
    })
    .await
    .expect("no task fails")
}

async fn serve() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    peers::announce(listener.local_addr()?);
    loop {
        let (mut stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            let mut buffer = [0; 1024];
            loop {
                match stream.read(&mut buffer).await? {
                    0 => return io::Result::Ok(()),
                    count => stream.write_all(&buffer[..count]).await?,
                }
            }
        });
    }
}

async fn serve_http() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    peers::announce(listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new());
            // A client that leaves ends its connection alone.
            let _ = http.serve_connection(TokioIo::new(stream), service_fn(hello)).await;
        });
    }
}

async fn run(work: &Work) {
    let (a, b) = work.size;
    match work.name.as_str() {
        "yield" => answer(&[yields(a, b).await]),
        "round_trip" => answer(&[round_trips(a).await]),
        "spawn_await" => answer(&[spawn_await(a).await]),
        "spawn_all" => bursts(a, |n| async move { n }).await,
        "park_all" => bursts(a, |n| async move { spin(1).await + n - 1 }).await,
        "yield_below" => answer(&[descents(1, a).await]),
        "descend" => answer(&[descents(a, 1).await]),
        "lock" => answer(&[contended(a, b).await]),
        "sleeping" => sleeping(a).await,
        // Its timers have steps of 1 ms.
        "sleeps" | "sleeps_late" => answer(&[sleeps(a, b).await]),
        "timeouts" => answer(&[timeouts(a, b).await]),
        "echo" if work.variant.is_empty() => serve().await.expect("it listens"),
        "http" if work.variant.is_empty() => serve_http().await.expect("it listens"),
        _ => work.unsupported(),
    }
}

fn main() -> io::Result<()> {
    let work = Work::asked();
    TUNED.set(work.variant == "tuned");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match TUNED.get() {
        true => LocalSet::new().block_on(&runtime, run(&work)),
        false => runtime.block_on(run(&work)),
    }
    Ok(())
}
