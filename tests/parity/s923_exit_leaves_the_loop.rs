//! SystemExit and KeyboardInterrupt of a task leave `run_until_complete` and `run_forever`; the loop can go on.

use crate::harness::{new_event_loop, repr, show, trace};
use coro_core::{EventLoop, Future, KeyboardInterrupt, RuntimeError, SystemExit, prelude::*, wait};

async_fn! {
    async fn exits(after: u32, error: Error) {
        for _ in 0..after {
            await!(sleep(secs(0)));
        }
        raise!(error);
    }

    async fn counts(name: &'static str, n: u32) -> &'static str {
        for i in 0..n {
            trace!("{name} {i}");
            await!(sleep(secs(0)));
        }
        name
    }
}

fn attempt(event_loop: &EventLoop, what: &str, result: Result<&str>) -> Result<()> {
    match result {
        Err(e) if e.is::<SystemExit>() || e.is::<KeyboardInterrupt>() => {
            trace!("{what} raised {} {}", show(&e), event_loop.is_running());
        }
        result => trace!("{what} {}", result?),
    }
    Ok(())
}

fn exception<T: 'static>(future: &Future<T>) -> Result<String> {
    Ok(future.exception()?.map_or_else(String::new, |e| repr(&e)))
}

pub fn scenario() -> Result<()> {
    let event_loop = new_event_loop()?;
    let until = |what, future: &Future<&'static str>| {
        attempt(&event_loop, what, event_loop.run_until_complete(future.clone()))
    };
    let forever = || attempt(&event_loop, "forever", event_loop.run_forever().map(|()| "None"));
    let stop = || {
        let stopped = event_loop.clone();
        event_loop.call_soon(move || stopped.stop());
    };
    let start = |name, n| event_loop.create_task(counts(name, n)).future();
    let start_exit = |after, error: Error| event_loop.create_task(exits(after, error)).future();

    let a = start("a", 4);
    let x = start_exit(1, SystemExit(4).into());
    let b = start("b", 4);
    until("first", &a)?;
    trace!("{} {} {} {}", a.done(), x.done(), exception(&x)?, b.done());
    event_loop.call_soon(|| trace!("at the end of the queue"));
    until("second", &a)?;
    trace!("{}", b.done());
    until("third", &b)?;
    // What is run for raises it itself: the next run is not stopped by it.
    let x = start_exit(0, KeyboardInterrupt.into());
    attempt(&event_loop, "itself", event_loop.run_until_complete(x).map(|()| "None"))?;
    until("after it", &start("c", 3))?;
    // run_forever; two in one round.
    let x = start_exit(0, SystemExit(1).into());
    let y = start_exit(0, SystemExit(2).into());
    event_loop.call_soon(|| trace!("not in the round of the first"));
    forever()?;
    forever()?;
    stop();
    forever()?;
    trace!("{} {}", exception(&x)?, exception(&y)?);
    // Stopped before it is done: a later end of it stops nothing.
    let d = start("d", 3);
    stop();
    match event_loop.run_until_complete(d.clone()) {
        Err(e) if e.is::<RuntimeError>() => trace!("{}", show(&e)),
        other => drop(other?),
    }
    let both = wait([d, start("e", 6)]);
    attempt(&event_loop, "fourth", event_loop.run_until_complete(both).map(|_| "None"))?;
    event_loop.close()
}
