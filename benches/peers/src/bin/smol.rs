//! The work on smol: its executor for one thread, with async-io, async-lock and async-channel.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;

use peers::{DEPTH, Dormitory, HOUR, Meter, Work, answer, nap};
use smol::future::{or, yield_now};
use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::lock::Mutex;
use smol::net::TcpListener;
use smol::{LocalExecutor, Task, Timer, channel};

type Executor = Rc<LocalExecutor<'static>>;

async fn spin(times: usize) -> usize {
    for _ in 0..times {
        yield_now().await;
    }
    times
}

async fn sum(tasks: Vec<Task<usize>>) -> usize {
    let mut sum = 0;
    for task in tasks {
        sum += task.await;
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

async fn yields(executor: &Executor, tasks: usize, each: usize) -> f64 {
    let handles = (0..tasks).map(|task| executor.spawn(metered(task, each))).collect();
    sum(handles).await as f64 / (tasks * each) as f64
}

async fn round_trips(executor: &Executor, times: usize) -> f64 {
    let (there, asked) = channel::bounded(1);
    let (back, answered) = channel::bounded(1);
    let meter = Meter::start();
    let echo = executor.spawn(async move {
        for _ in 0..times {
            let n: usize = asked.recv().await.expect("the other side is there");
            back.send(n + 1).await.expect("the other side is there");
        }
        times
    });
    for n in 0..times {
        there.send(n).await.expect("the other side is there");
        assert_eq!(answered.recv().await, Ok(n + 1));
    }
    assert_eq!(echo.await, times);
    meter.ns_per(times)
}

async fn spawn_await(executor: &Executor, times: usize) -> f64 {
    let meter = Meter::start();
    for n in 0..times {
        assert_eq!(executor.spawn(async move { n }).await, n);
    }
    meter.ns_per(times)
}

async fn burst<F>(executor: &Executor, tasks: usize, body: impl Fn(usize) -> F) -> [f64; 3]
where
    F: Future<Output = usize> + 'static,
{
    let meter = Meter::start();
    let handles: Vec<_> = (0..tasks).map(|n| executor.spawn(body(n))).collect();
    assert_eq!(sum(handles).await, tasks * (tasks - 1) / 2);
    meter.burst(tasks)
}

async fn bursts<F>(executor: &Executor, tasks: usize, body: impl Fn(usize) -> F)
where
    F: Future<Output = usize> + 'static,
{
    answer(&[burst(executor, tasks, &body).await, burst(executor, tasks, &body).await].concat());
}

/// Recursion needs a box.
fn descend(depth: usize, times: usize) -> Pin<Box<dyn Future<Output = usize>>> {
    Box::pin(async move {
        match depth {
            0 => spin(times).await,
            _ => descend(depth - 1, times).await + 1,
        }
    })
}

async fn descents(descents: usize, times: usize) -> f64 {
    let meter = Meter::start();
    for _ in 0..descents {
        assert_eq!(descend(DEPTH, times).await, times + DEPTH);
    }
    meter.ns_per(descents * times)
}

async fn contended(executor: &Executor, tasks: usize, each: usize) -> f64 {
    let count = Rc::new(Mutex::new(0));
    let meter = Meter::start();
    let locking = |_| {
        let count = Rc::clone(&count);
        executor.spawn(async move {
            for _ in 0..each {
                let mut count = count.lock().await;
                let before = *count;
                yield_now().await; // nobody else gets in
                *count = before + 1;
            }
            each
        })
    };
    assert_eq!(sum((0..tasks).map(locking).collect()).await, tasks * each);
    assert_eq!(*count.lock().await, tasks * each);
    meter.ns_per(tasks * each)
}

async fn sleeping(executor: &Executor, tasks: usize) -> ! {
    let started = Rc::new(Cell::new(0));
    let dormitory = Dormitory::open();
    for _ in 0..tasks {
        let started = Rc::clone(&started);
        let sleeper = async move {
            started.set(started.get() + 1);
            Timer::after(HOUR).await;
        };
        executor.spawn(sleeper).detach();
    }
    while started.get() < tasks {
        yield_now().await;
    }
    dormitory.all_asleep(tasks)
}

async fn sleeps(executor: &Executor, tasks: usize, each: usize) -> f64 {
    let meter = Meter::start();
    let sleeper = |task| {
        executor.spawn(async move {
            for n in 0..each {
                Timer::after(nap(task, n)).await;
            }
            each
        })
    };
    assert_eq!(sum((0..tasks).map(sleeper).collect()).await, tasks * each);
    meter.ns_per(tasks * each)
}

async fn timeouts(executor: &Executor, alive: usize, times: usize) -> f64 {
    let started = Rc::new(Cell::new(0));
    for _ in 0..alive {
        let started = Rc::clone(&started);
        let sleeper = async move {
            started.set(started.get() + 1);
            Timer::after(HOUR).await;
        };
        executor.spawn(sleeper).detach();
    }
    while started.get() < alive {
        yield_now().await;
    }
    let meter = Meter::start();
    let mut done = 0;
    for _ in 0..times {
        done += or(spin(1), async {
            Timer::after(HOUR).await;
            unreachable!("nobody waits so long")
        })
        .await;
    }
    assert_eq!(done, times);
    meter.ns_per(times)
}

async fn serve(executor: &Executor) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    peers::announce(listener.local_addr()?);
    loop {
        let (mut stream, _) = listener.accept().await?;
        let echo = async move {
            let mut buffer = [0; 1024];
            loop {
                match stream.read(&mut buffer).await? {
                    0 => return io::Result::Ok(()),
                    count => stream.write_all(&buffer[..count]).await?,
                }
            }
        };
        executor.spawn(echo).detach();
    }
}

async fn run(executor: Executor, work: Work) {
    let (a, b) = work.size;
    match work.name.as_str() {
        "yield" => answer(&[yields(&executor, a, b).await]),
        "round_trip" => answer(&[round_trips(&executor, a).await]),
        "spawn_await" => answer(&[spawn_await(&executor, a).await]),
        "spawn_all" => bursts(&executor, a, |n| async move { n }).await,
        "park_all" => bursts(&executor, a, |n| async move { spin(1).await + n - 1 }).await,
        "yield_below" => answer(&[descents(1, a).await]),
        "descend" => answer(&[descents(a, 1).await]),
        "lock" => answer(&[contended(&executor, a, b).await]),
        "sleeping" => sleeping(&executor, a).await,
        "sleeps" => answer(&[sleeps(&executor, a, b).await]),
        "timeouts" => answer(&[timeouts(&executor, a, b).await]),
        "echo" => serve(&executor).await.expect("it listens"),
        _ => work.unsupported(),
    }
}

fn main() {
    // The main future is a task as well: only tasks are scheduled as tasks.
    let executor: Executor = Rc::new(LocalExecutor::new());
    let main = executor.spawn(run(Rc::clone(&executor), Work::asked()));
    smol::block_on(executor.run(main));
}
