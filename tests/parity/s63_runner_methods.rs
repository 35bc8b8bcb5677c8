//! `run` with a context, `get_loop` and `close` of a `Runner`.

use crate::harness::{new_runner, show, trace};
use coro_core::{Context, ContextVar, Runner, RuntimeError, prelude::*};

static VAR: ContextVar<&str> = ContextVar::with_default("var", || "default");

fn trace_refusal(result: Result<&str>) -> Result<()> {
    match result {
        Err(e) if e.is::<RuntimeError>() => trace!("{}", show(&e)),
        other => drop(other?),
    }
    Ok(())
}

async_fn! {
    async fn change(value: &'static str) -> &'static str {
        let before = VAR.get()?;
        VAR.set(value);
        before
    }

    async fn outer() {
        // The runner that runs this is borrowed while it does, so another one is refused in its place.
        trace_refusal(Runner::new().run(change("x")))?;
    }
}

pub fn scenario() -> Result<()> {
    let mut runner = new_runner()?;
    let event_loop = runner.get_loop()?;
    trace!("closed {}", event_loop.is_closed());
    let context = Context::current().copy();
    for value in ["one", "two"] {
        let before = runner.run_in(&context, change(value))?;
        trace!("{before} {}", context.get(&VAR).unwrap_or_default());
    }
    trace!("{}", runner.run(change("three"))?);
    trace!("{}", runner.run(change("four"))?);
    trace!("outside {}", VAR.get()?);
    runner.run(outer())?;
    runner.close()?;
    trace!("closed {}", event_loop.is_closed());
    trace_refusal(runner.run(change("late")))
}
