//! `shield`: the outer cancelled and then the inner fails, is cancelled, ends; shields of shields; of done futures.

use crate::harness::{KeyError, args, run, show, trace};
use coro_core::{AsFuture, Future, ValueError, prelude::*, wait};
use std::fmt::Debug;

async_fn! {
    async fn works(delay: u64, result: Result<&'static str>) -> &'static str {
        await!(sleep(secs(delay)));
        let result = result?;
        trace!("inner ends");
        result
    }

    async fn waits(inner: Future<&'static str>) -> &'static str {
        match try_await!(shield(inner.clone())) {
            Err(e) if e.is_cancelled() => {
                trace!("waiter cancelled {}", state(&inner));
                await!(inner)
            }
            other => other?,
        }
    }

    async fn main() {
        let event_loop = get_running_loop()?;
        event_loop.set_exception_handler(|_, c| {
            trace!("handler: {} {}", c.message, c.exception.as_ref().map_or_else(String::new, show));
        });
        // The outer one is cancelled, the inner one fails: nobody is told.
        let inner = create_task(works(1, Err(ValueError::new("v").into()))).future();
        let outer = shield(inner.clone());
        outer.cancel();
        trace!("{} {}", state_of(&outer), state(&inner));
        await!(sleep(secs(2)));
        trace!("{} {}", state_of(&outer), state(&inner));
        // The inner one is cancelled.
        let inner = create_task(works(1, Ok("done"))).future();
        let outer = shield(inner.clone());
        let seen = outer.any();
        await!(sleep(secs(0)));
        inner.cancel();
        match try_await!(outer) {
            Err(e) if e.is_cancelled() => trace!("through the shield {} {}", state_of(&seen), state(&inner)),
            other => drop(other?),
        }
        // Both are cancelled.
        let inner = create_task(works(1, Ok("done"))).future();
        let outer = shield(inner.clone());
        await!(sleep(secs(0)));
        outer.cancel();
        inner.cancel();
        await!(sleep(secs(1)));
        trace!("{} {}", state_of(&outer), state(&inner));
        // Inner done and outer cancelled in one round.
        for first in [0, 1] {
            for between in [false, true] {
                let inner = Future::new();
                let outer = shield(inner.clone());
                for step in [first, 1 - first] {
                    match step {
                        0 => inner.set_result("r")?,
                        _ => drop(outer.cancel()),
                    }
                    if between && step == first {
                        await!(sleep(secs(0)));
                    }
                }
                await!(sleep(secs(0)));
                trace!("{first} {} {}", state_of(&outer), state(&inner));
            }
        }
        // A shield around a shield.
        let inner = create_task(works(1, Ok("deep"))).future();
        let middle = shield(inner.clone());
        let seen = middle.any();
        let outer = shield(middle);
        outer.cancel();
        let before = [state_of(&outer), state_of(&seen)];
        await!(wait([&seen]));
        trace!("{} {} {} {}", before[0], before[1], inner.result()?, state(&inner));
        // Under a limit, in a task that is cancelled.
        let inner = create_task(works(2, Ok("late"))).future();
        match try_await!(wait_for(shield(inner.clone()), secs(1))) {
            Err(e) if e.is_timeout() => trace!("limit {}", state(&inner)),
            other => drop(other?),
        }
        trace!("{}", await!(inner));
        let inner = create_task(works(2, Ok("kept"))).future();
        let waiter = create_task(waits(inner));
        await!(sleep(secs(1)));
        waiter.cancel();
        trace!("{}", await!(waiter));
        // Callbacks and rounds.
        let inner = Future::new();
        let outer = shield(inner.clone());
        outer.add_done_callback(|f| trace!("outer callback {}", state_of(&f)));
        inner.add_done_callback(|f| trace!("inner callback {}", state_of(&f)));
        inner.set_result(1)?;
        for i in 0..3 {
            trace!("round {i} {}", outer.done());
            await!(sleep(secs(0)));
        }
        // A shield that nobody awaits and whose inner fails.
        let inner = Future::<()>::new();
        let outer = shield(inner.clone());
        inner.set_exception(KeyError::new("k"))?;
        await!(sleep(secs(0)));
        trace!("{}", state_of(&outer));
        // The inner future is done already.
        let done = Future::<()>::new();
        done.cancel_with("why");
        match try_await!(shield(done)) {
            Err(e) if e.is_cancelled() => trace!("done and cancelled {}", args(&e)),
            other => other?,
        }
    }
}

fn state(future: &Future<&'static str>) -> String {
    match future.result() {
        Ok(value) => format!("{value:?}"),
        Err(_) => state_of(future),
    }
}

/// Of a future whose value is not asked for: what its repr says.
fn state_of<F: AsFuture + Debug>(future: &F) -> String {
    let any = future.as_any();
    if !any.done() {
        return "pending".to_owned();
    }
    if any.cancelled() {
        return "cancelled".to_owned();
    }
    let text = format!("{future:?}");
    let result = text.split_once("result=").map(|(_, rest)| rest.trim_end_matches('>').to_owned());
    result.or_else(|| any.exception().map(|e| show(&e))).unwrap_or_default()
}

pub fn scenario() -> Result<()> {
    run(main())
}
