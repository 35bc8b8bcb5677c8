//! `send(None)` runs a coroutine by hand: a return ends it, a sleep needs a loop.

use crate::harness::{show, trace};
use coro_core::{RuntimeError, Step, prelude::*};

async_fn! {
    async fn sleeps() {
        trace!("hello...");
        await!(sleep(secs(2)));
        trace!("...world");
    }

    async fn returns() -> u32 {
        trace!("no awaitable inside");
        42
    }
}

pub fn scenario() -> Result<()> {
    match sleeps().send(None) {
        Err(e) if e.is::<RuntimeError>() => trace!("{}", show(&e)),
        other => drop(other?),
    }

    let mut result = returns();
    match result.send(None)? {
        // The value of Python's StopIteration.
        Step::Returned(value) => trace!("StopIteration {value} value {value}"),
        Step::Suspended(awaited) => trace!("waits for {awaited:?}"),
    }
    match result.send(None) {
        Err(e) if e.is::<RuntimeError>() => trace!("{}", show(&e)),
        other => drop(other?),
    }
    Ok(())
}
