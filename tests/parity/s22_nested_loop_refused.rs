//! A loop that is running can neither be run again nor be nested in another run.

use crate::harness::{new_event_loop, run, show, trace};
use coro_core::{RuntimeError, prelude::*};

fn trace_refusal(result: Result<u32>) -> Result<()> {
    match result {
        Err(e) if e.is::<RuntimeError>() => trace!("{}", show(&e)),
        other => drop(other?),
    }
    Ok(())
}

async_fn! {
    async fn inner() -> u32 {
        1
    }

    async fn main() {
        // What is refused closes the coroutine that it was given.
        trace_refusal(get_running_loop()?.run_until_complete(inner()))?;
        trace_refusal(run(inner()))?;
        let other = new_event_loop()?;
        trace_refusal(other.run_until_complete(inner()))?;
        other.close()?;
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
