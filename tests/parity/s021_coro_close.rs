//! close of a coroutine: fresh ones never run and give no warning, suspended ones run finally.

use crate::harness::{show, trace};
use coro_core::{Awaited, RuntimeError, Step, prelude::*, suspend};

/// Gives a value to whoever drives the coroutine.
fn pause(value: &'static str) -> Result<()> {
    suspend(Awaited::Command(Box::new(value))).map(drop)
}

async_fn! {
    async fn work() {
        trace!("work starts");
        let paused = pause("x");
        trace!("work finally");
        paused?;
    }

    async fn stubborn() {
        match pause("1") {
            Err(e) if e.is::<GeneratorExit>() => pause("2")?,
            other => other?,
        }
    }
}

pub fn scenario() -> Result<()> {
    let mut coro = work();
    coro.close()?;
    drop(coro);
    let mut coro = work();
    if let Step::Suspended(Awaited::Command(value)) = coro.send(None)? {
        trace!("yielded {}", value.downcast_ref::<&str>().unwrap_or(&"something else"));
    }
    coro.close()?;
    coro.close()?;
    let mut coro = stubborn();
    coro.send(None)?;
    match coro.close() {
        Err(e) if e.is::<RuntimeError>() => trace!("{}", show(&e)),
        other => other?,
    }
    trace!("end");
    if let Step::Returned(()) = coro.send(None)? {
        trace!("stopped");
    }
    Ok(())
}
