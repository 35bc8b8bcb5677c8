//! An error leaves the runner usable; wrong arguments and use after close are refused.

use crate::harness::{new_runner, show, trace};
use coro_core::{RuntimeError, ValueError, prelude::*};

async_fn! {
    async fn fails() {
        raise!(ValueError::new("bad"))
    }

    async fn works() -> &'static str {
        "works"
    }
}

fn trace_refusal<T>(result: Result<T>) -> Result<()> {
    match result {
        Err(e) if e.is::<RuntimeError>() => trace!("{}", show(&e)),
        other => drop(other?),
    }
    Ok(())
}

pub fn scenario() -> Result<()> {
    let mut runner = new_runner()?;
    match runner.run(fails()) {
        Err(e) if e.is::<ValueError>() => trace!("{}", show(&e)),
        other => other?,
    }
    trace!("{}", runner.run(works())?);
    runner.close()?;
    runner.close()?;
    trace_refusal(runner.get_loop())?;
    trace_refusal(runner.run(works()))?;
    trace_refusal(get_running_loop())
}
