//! The work on the floor: a scheduler of a few hundred lines, with nothing in it that is not measured.

use std::cell::Cell;
use std::rc::Rc;

use peers::floor::{Join, Lock, Queue, Socket, run, sleep, spawn, yield_now};
use peers::{DEPTH, Dormitory, HOUR, Meter, Work, answer, nap};

fn spin(times: usize) -> usize {
    (0..times).for_each(|_| yield_now());
    times
}

fn sum(joins: Vec<Join>) -> usize {
    joins.into_iter().map(Join::wait).sum()
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
    let joins = (0..tasks).map(|task| spawn(move || metered(task, each))).collect();
    sum(joins) as f64 / (tasks * each) as f64
}

fn round_trips(times: usize) -> f64 {
    let (there, back) = (Rc::new(Queue::default()), Rc::new(Queue::default()));
    let echo = (Rc::clone(&there), Rc::clone(&back));
    let meter = Meter::start();
    let echo = spawn(move || {
        (0..times).for_each(|_| echo.1.put(echo.0.get() + 1));
        times
    });
    for n in 0..times {
        there.put(n);
        assert_eq!(back.get(), n + 1);
    }
    assert_eq!(echo.wait(), times);
    meter.ns_per(times)
}

fn spawn_await(times: usize) -> f64 {
    let meter = Meter::start();
    for n in 0..times {
        assert_eq!(spawn(move || n).wait(), n);
    }
    meter.ns_per(times)
}

fn burst(tasks: usize, body: impl Fn(usize) -> usize + Copy + 'static) -> [f64; 3] {
    let meter = Meter::start();
    let joins: Vec<_> = (0..tasks).map(|n| spawn(move || body(n))).collect();
    assert_eq!(sum(joins), tasks * (tasks - 1) / 2);
    meter.burst(tasks)
}

fn contended(tasks: usize, each: usize) -> f64 {
    let shared = Rc::new((Lock::default(), Cell::new(0)));
    let meter = Meter::start();
    let work = || {
        let shared = Rc::clone(&shared);
        spawn(move || {
            for _ in 0..each {
                shared.0.lock();
                let before = shared.1.get();
                yield_now();
                shared.1.set(before + 1);
                shared.0.unlock();
            }
            each
        })
    };
    sum((0..tasks).map(|_| work()).collect());
    assert_eq!(shared.1.get(), tasks * each);
    meter.ns_per(tasks * each)
}

fn sleeping(tasks: usize) -> ! {
    let started = Rc::new(Cell::new(0));
    let dormitory = Dormitory::open();
    for _ in 0..tasks {
        let started = Rc::clone(&started);
        spawn(move || {
            started.set(started.get() + 1);
            sleep(HOUR);
            0
        });
    }
    while started.get() < tasks {
        yield_now();
    }
    dormitory.all_asleep(tasks)
}

fn sleeps(tasks: usize, each: usize) -> f64 {
    let meter = Meter::start();
    let sleeper = |task| {
        spawn(move || {
            (0..each).for_each(|n| sleep(nap(task, n)));
            each
        })
    };
    assert_eq!(sum((0..tasks).map(sleeper).collect()), tasks * each);
    meter.ns_per(tasks * each)
}

fn serve() -> std::io::Result<()> {
    let listener = Socket::listen()?;
    peers::announce(listener.get().local_addr()?);
    loop {
        let stream = listener.accept()?;
        spawn(move || {
            let (mut buffer, mut total) = ([0; 1024], 0);
            while let Ok(count @ 1..) = stream.read(&mut buffer) {
                if stream.write_all(&buffer[..count]).is_err() {
                    break;
                }
                total += count;
            }
            total
        });
    }
}

fn main() {
    run(move || {
        let work = Work::asked();
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
            _ => work.unsupported(),
        }
        0
    });
}
