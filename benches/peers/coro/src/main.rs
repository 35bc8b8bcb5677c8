//! The work on coro: stackful coroutines, and, as the variant `futures`, tasks made from std futures.

use std::cell::Cell;
use std::io::{Read, Write};
use std::rc::Rc;

use coro_core::compat::hyper::{HyperIo, HyperTimer};
use coro_core::net::TcpListener;
use coro_core::{Queue, RunBuilder, prelude::*};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use peers::hello::hello;
use peers::{DEPTH, Dormitory, HOUR, Meter, Work, answer, nap};

/// The stacks of a million sleepers.
const SMALL_STACK: usize = 64 * 1024;

async_fn! {
    async fn spin(times: usize) -> usize {
        for _ in 0..times {
            await!(sleep(Duration::ZERO));
        }
        times
    }

    async fn number(n: usize) -> usize {
        n
    }

    async fn parking(n: usize) -> usize {
        await!(sleep(Duration::ZERO));
        n
    }

    /// The first task meters: from when all have begun until its own last yield.
    async fn metered(task: usize, each: usize) -> usize {
        await!(spin(2));
        let meter = (task == 0).then(Meter::start);
        assert_eq!(await!(spin(each)), each);
        meter.map_or(0, |meter| meter.cpu().as_nanos() as usize)
    }

    async fn yields(tasks: usize, each: usize) -> f64 {
        let nanoseconds = await!(gather((0..tasks).map(|task| metered(task, each))));
        nanoseconds.iter().sum::<usize>() as f64 / (tasks * each) as f64
    }

    async fn round_trips(times: usize) -> f64 {
        let (there, back) = (Rc::new(Queue::bounded(1)), Rc::new(Queue::bounded(1)));
        let meter = Meter::start();
        let echo = create_task(echo(Rc::clone(&there), Rc::clone(&back), times));
        for n in 0..times {
            await!(there.put(n));
            assert_eq!(await!(back.get()), n + 1);
        }
        assert_eq!(await!(echo), times);
        meter.ns_per(times)
    }

    async fn echo(there: Rc<Queue<usize>>, back: Rc<Queue<usize>>, times: usize) -> usize {
        for _ in 0..times {
            let n = await!(there.get());
            await!(back.put(n + 1));
        }
        times
    }

    async fn spawn_await(times: usize) -> f64 {
        let meter = Meter::start();
        for n in 0..times {
            assert_eq!(await!(create_task(number(n))), n);
        }
        meter.ns_per(times)
    }

    async fn descend(depth: usize, times: usize) -> usize {
        match depth {
            0 => await!(spin(times)),
            _ => await!(descend(depth - 1, times)) + 1,
        }
    }

    async fn yields_below(times: usize) -> f64 {
        let meter = Meter::start();
        assert_eq!(await!(descend(DEPTH, times)), times + DEPTH);
        meter.ns_per(times)
    }

    async fn descents(times: usize) -> f64 {
        let meter = Meter::start();
        for _ in 0..times {
            assert_eq!(await!(descend(DEPTH, 1)), 1 + DEPTH);
        }
        meter.ns_per(times)
    }

    async fn contended(tasks: usize, each: usize) -> f64 {
        let count = Rc::new(Lock::new(0));
        let meter = Meter::start();
        await!(gather((0..tasks).map(|_| locking(Rc::clone(&count), each))));
        assert_eq!(*await!(count.lock()), tasks * each);
        meter.ns_per(tasks * each)
    }

    async fn locking(count: Rc<Lock<usize>>, times: usize) {
        for _ in 0..times {
            let mut count = await!(count.lock());
            let before = *count;
            await!(sleep(Duration::ZERO)); // nobody else gets in
            *count = before + 1;
        }
    }

    async fn sleeper(started: Rc<Cell<usize>>) {
        started.set(started.get() + 1);
        await!(sleep(HOUR));
    }

    async fn sleeping(tasks: usize, stackless: bool) {
        let started = Rc::new(Cell::new(0));
        let dormitory = Dormitory::open();
        for _ in 0..tasks {
            let started = Rc::clone(&started);
            match stackless {
                false => drop(create_task(sleeper(started))),
                true => drop(create_task(async move {
                    started.set(started.get() + 1);
                    sleep(HOUR).await
                })),
            }
        }
        while started.get() < tasks {
            await!(sleep(Duration::ZERO));
        }
        await!(sleep(Duration::ZERO)); // what the last of them began is under way
        dormitory.all_asleep(tasks)
    }

    async fn napping(task: usize, times: usize) -> usize {
        for n in 0..times {
            await!(sleep(nap(task, n)));
        }
        times
    }

    async fn naps(tasks: usize, each: usize) -> f64 {
        let meter = Meter::start();
        let done = await!(gather((0..tasks).map(|task| napping(task, each))));
        assert_eq!(done.iter().sum::<usize>(), tasks * each);
        meter.ns_per(tasks * each)
    }

    async fn timeouts(alive: usize, times: usize) -> f64 {
        let event_loop = get_running_loop()?;
        for _ in 0..alive {
            event_loop.call_later(HOUR, || unreachable!("nobody waits so long"));
        }
        let meter = Meter::start();
        let mut done = 0;
        for _ in 0..times {
            done += await!(wait_for(spin(1), HOUR));
        }
        assert_eq!(done, times);
        meter.ns_per(times)
    }
}

/// Makes all the tasks, then awaits them.
fn burst<A>(tasks: usize, body: impl Fn(usize) -> A) -> Result<[f64; 3]>
where
    A: Awaitable<Output = usize> + 'static,
{
    let meter = Meter::start();
    let handles: Vec<_> = (0..tasks).map(|n| create_task(body(n))).collect();
    let mut sum = 0;
    for handle in handles {
        sum += handle.co_await()?;
    }
    assert_eq!(sum, tasks * (tasks - 1) / 2);
    Ok(meter.burst(tasks))
}

/// In a fresh process, and again.
fn bursts<A>(tasks: usize, body: impl Fn(usize) -> A) -> Result<()>
where
    A: Awaitable<Output = usize> + 'static,
{
    answer(&[burst(tasks, &body)?, burst(tasks, &body)?].concat());
    Ok(())
}

fn serve() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    peers::announce(listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept()?;
        create_task(coroutine(move || {
            let mut buffer = [0; 1024];
            loop {
                match (&stream).read(&mut buffer)? {
                    0 => return Ok(()),
                    count => (&stream).write_all(&buffer[..count])?,
                }
            }
        }));
    }
}

/// A connection is a stackful task that awaits hyper's future, or this future is the task.
fn serve_http(stackless: bool) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    peers::announce(listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        let mut http = http1::Builder::new();
        http.timer(HyperTimer);
        let connection = http.serve_connection(HyperIo::new(stream), service_fn(hello));
        // A client that leaves ends its connection alone.
        match stackless {
            false => drop(create_task(coroutine(move || {
                let _ = connection.co_await()?;
                Ok(())
            }))),
            true => drop(create_task(async move {
                let _ = connection.await;
            })),
        }
    }
}

fn stackful(work: &Work) -> Result<()> {
    let (a, b) = work.size;
    match work.name.as_str() {
        "yield" => answer(&[yields(a, b).co_await()?]),
        "round_trip" => answer(&[round_trips(a).co_await()?]),
        "spawn_await" => answer(&[spawn_await(a).co_await()?]),
        "spawn_all" => bursts(a, number)?,
        "park_all" => bursts(a, parking)?,
        "yield_below" => answer(&[yields_below(a).co_await()?]),
        "descend" => answer(&[descents(a).co_await()?]),
        "lock" => answer(&[contended(a, b).co_await()?]),
        "sleeping" => sleeping(a, false).co_await()?,
        "sleeps" | "sleeps_late" => answer(&[naps(a, b).co_await()?]),
        "timeouts" => answer(&[timeouts(a, b).co_await()?]),
        "echo" => serve()?,
        "http" => serve_http(false)?,
        _ => work.unsupported(),
    }
    Ok(())
}

/// Yields once: std has no such future.
async fn yield_once() {
    smol::future::yield_now().await;
}

async fn spin_future(times: usize) -> usize {
    for _ in 0..times {
        yield_once().await;
    }
    times
}

async fn metered_future(task: usize, each: usize) -> usize {
    spin_future(2).await;
    let meter = (task == 0).then(Meter::start);
    assert_eq!(spin_future(each).await, each);
    meter.map_or(0, |meter| meter.cpu().as_nanos() as usize)
}

fn stackless(work: &Work) -> Result<()> {
    let (a, b) = work.size;
    match work.name.as_str() {
        "yield" => {
            let nanoseconds = gather((0..a).map(|task| metered_future(task, b))).co_await()?;
            answer(&[nanoseconds.iter().sum::<usize>() as f64 / (a * b) as f64]);
        }
        "spawn_await" => {
            let meter = Meter::start();
            for n in 0..a {
                assert_eq!(create_task(async move { n }).co_await()?, n);
            }
            answer(&[meter.ns_per(a)]);
        }
        "spawn_all" => bursts(a, |n| async move { n })?,
        "park_all" => bursts(a, |n| async move {
            yield_once().await;
            n
        })?,
        "sleeping" => sleeping(a, true).co_await()?,
        "sleeps" | "sleeps_late" => {
            let napping = |task| async move {
                for n in 0..b {
                    sleep(nap(task, n)).await?;
                }
                Ok::<_, Error>(b)
            };
            let meter = Meter::start();
            let done: Result<Vec<_>> = gather((0..a).map(napping)).co_await()?.into_iter().collect();
            assert_eq!(done?.iter().sum::<usize>(), a * b);
            answer(&[meter.ns_per(a * b)]);
        }
        "http" => serve_http(true)?,
        _ => work.unsupported(),
    }
    Ok(())
}

fn main() -> Result<()> {
    let work = Work::asked();
    let runner = match work.name.as_str() {
        "sleeping" => RunBuilder::new().stack_size(SMALL_STACK),
        "sleeps_late" => RunBuilder::new().timer_slack(millis(1)),
        _ => RunBuilder::new(),
    };
    runner.run(coroutine(|| match work.variant.as_str() {
        "futures" => stackless(&work),
        _ => stackful(&work),
    }))
}
