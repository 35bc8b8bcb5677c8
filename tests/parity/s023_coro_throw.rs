//! throw into a coroutine by hand: fresh, caught at an await, and uncaught.

use crate::harness::{KeyError, show, trace};
use coro_core::{Awaited, RuntimeError, Step, ValueError, prelude::*, suspend};

/// Gives a value to whoever drives the coroutine, and takes one from there.
fn pause(value: &'static str) -> Result<&'static str> {
    let sent = suspend(Awaited::Command(Box::new(value)))?;
    Ok(sent.and_then(|sent| sent.downcast().ok()).map_or("None", |text| *text))
}

async_fn! {
    async fn work() -> String {
        match pause("1") {
            Err(e) if e.is::<KeyError>() => {
                trace!("caught {}", show(&e));
                let got = pause("second")?;
                format!("end {got}")
            }
            other => {
                trace!("got {}", other?);
                String::new()
            }
        }
    }
}

fn command(step: Step<String>) -> &'static str {
    match step {
        Step::Suspended(Awaited::Command(value)) => value.downcast_ref().copied().unwrap_or("something else"),
        _ => "no command",
    }
}

pub fn scenario() -> Result<()> {
    let mut coro = work();
    match coro.throw(KeyError::new("before start").into()) {
        Err(e) if e.is::<KeyError>() => trace!("out {}", show(&e)),
        other => drop(other?),
    }
    let mut coro = work();
    trace!("{}", command(coro.send(None)?));
    trace!("{}", command(coro.throw(KeyError::new("k").into())?));
    if let Step::Returned(value) = coro.send(Some(Box::new("x")))? {
        trace!("value {value}");
    }
    let mut coro = work();
    coro.send(None)?;
    match coro.throw(ValueError::new("v").into()) {
        Err(e) if e.is::<ValueError>() => trace!("out {}", show(&e)),
        other => drop(other?),
    }
    match coro.send(None) {
        Err(e) if e.is::<RuntimeError>() => trace!("{}", show(&e)),
        other => drop(other?),
    }
    Ok(())
}
