//! The work on may, with one worker. Its channels have no bound: where one item at most is under way, that is the same.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use may::coroutine::{JoinHandle, sleep, yield_now};
use may::go;
use may::net::TcpListener;
use may::sync::{Mutex, mpsc};
use may_minihttp::{HttpServer, HttpService, Request, Response};
use peers::hello::HELLO;
use peers::{DEPTH, Dormitory, HOUR, Meter, Work, answer, nap};

fn spin(times: usize) -> usize {
    (0..times).for_each(|_| yield_now());
    times
}

fn sum(handles: Vec<JoinHandle<usize>>) -> usize {
    handles.into_iter().map(|handle| handle.join().expect("no coroutine fails")).sum()
}

fn descend(depth: usize, times: usize) -> usize {
    match std::hint::black_box(depth) {
        0 => spin(times),
        _ => descend(depth - 1, times) + 1,
    }
}

/// The first task meters: from when all have begun until its own last yield.
fn metered(task: usize, each: usize) -> usize {
    spin(2);
    let meter = (task == 0).then(Meter::start);
    assert_eq!(spin(each), each);
    meter.map_or(0, |meter| meter.cpu().as_nanos() as usize)
}

fn yields(tasks: usize, each: usize) -> f64 {
    let handles = (0..tasks).map(|task| go!(move || metered(task, each))).collect();
    sum(handles) as f64 / (tasks * each) as f64
}

fn round_trips(times: usize) -> f64 {
    let (there, asked) = mpsc::channel();
    let (back, answered) = mpsc::channel();
    let meter = Meter::start();
    let echo = go!(move || {
        for _ in 0..times {
            let n: usize = asked.recv().expect("the other side is there");
            back.send(n + 1).expect("the other side is there");
        }
        times
    });
    for n in 0..times {
        there.send(n).expect("the other side is there");
        assert_eq!(answered.recv(), Ok(n + 1));
    }
    assert_eq!(sum(vec![echo]), times);
    meter.ns_per(times)
}

fn spawn_await(times: usize) -> f64 {
    let meter = Meter::start();
    for n in 0..times {
        assert_eq!(go!(move || n).join().expect("no coroutine fails"), n);
    }
    meter.ns_per(times)
}

fn burst(tasks: usize, body: impl Fn(usize) -> usize + Copy + Send + 'static) -> [f64; 3] {
    let meter = Meter::start();
    let handles: Vec<_> = (0..tasks).map(|n| go!(move || body(n))).collect();
    assert_eq!(sum(handles), tasks * (tasks - 1) / 2);
    meter.burst(tasks)
}

fn contended(tasks: usize, each: usize) -> f64 {
    let count = Arc::new(Mutex::new(0));
    let meter = Meter::start();
    let locking = |_| {
        let count = Arc::clone(&count);
        go!(move || {
            for _ in 0..each {
                let mut count = count.lock().expect("nobody panics");
                let before = *count;
                yield_now(); // nobody else gets in
                *count = before + 1;
            }
            each
        })
    };
    assert_eq!(sum((0..tasks).map(locking).collect()), tasks * each);
    assert_eq!(*count.lock().expect("nobody panics"), tasks * each);
    meter.ns_per(tasks * each)
}

fn sleeping(tasks: usize) -> ! {
    let started = Arc::new(AtomicUsize::new(0));
    let dormitory = Dormitory::open();
    for _ in 0..tasks {
        let started = Arc::clone(&started);
        go!(move || {
            started.fetch_add(1, Ordering::Relaxed);
            sleep(HOUR);
        });
    }
    while started.load(Ordering::Relaxed) < tasks {
        yield_now();
    }
    dormitory.all_asleep(tasks)
}

fn sleeps(tasks: usize, each: usize) -> f64 {
    let meter = Meter::start();
    let sleeper = |task| {
        go!(move || {
            (0..each).for_each(|n| sleep(nap(task, n)));
            each
        })
    };
    assert_eq!(sum((0..tasks).map(sleeper).collect()), tasks * each);
    meter.ns_per(tasks * each)
}

fn serve() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    peers::announce(listener.local_addr()?);
    loop {
        let (mut stream, _) = listener.accept()?;
        go!(move || {
            let mut buffer = [0; 1024];
            loop {
                match stream.read(&mut buffer)? {
                    0 => return io::Result::Ok(()),
                    count => stream.write_all(&buffer[..count])?,
                }
            }
        });
    }
}

#[derive(Clone)]
struct Hello;

impl HttpService for Hello {
    fn call(&mut self, _: Request, answer: &mut Response) -> io::Result<()> {
        answer.header("Content-Type: text/plain").body(HELLO);
        Ok(())
    }
}

/// Its server does not tell which port it was given: one is looked for, and given up, first.
fn serve_http() -> io::Result<()> {
    let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let server = HttpServer(Hello).start(address)?;
    peers::announce(address);
    server.join().expect("it serves on");
    Ok(())
}

fn run(work: &Work) {
    let (a, b) = work.size;
    match work.name.as_str() {
        "yield" => answer(&[yields(a, b)]),
        "round_trip" => answer(&[round_trips(a)]),
        "spawn_await" => answer(&[spawn_await(a)]),
        "spawn_all" => answer(&[burst(a, |n| n), burst(a, |n| n)].concat()),
        "park_all" => {
            let park = |n| spin(1) + n - 1;
            answer(&[burst(a, park), burst(a, park)].concat());
        }
        "yield_below" => {
            let meter = Meter::start();
            assert_eq!(descend(DEPTH, a), a + DEPTH);
            answer(&[meter.ns_per(a)]);
        }
        "descend" => {
            let meter = Meter::start();
            (0..a).for_each(|_| assert_eq!(descend(DEPTH, 1), 1 + DEPTH));
            answer(&[meter.ns_per(a)]);
        }
        "lock" => answer(&[contended(a, b)]),
        "sleeping" => sleeping(a),
        "sleeps" => answer(&[sleeps(a, b)]),
        "echo" => serve().expect("it listens"),
        "http" => serve_http().expect("it listens"),
        _ => work.unsupported(),
    }
}

fn main() {
    let work = Work::asked();
    may::config().set_workers(1);
    go!(move || run(&work)).join().expect("the work is done");
}
