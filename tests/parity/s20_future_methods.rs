//! The methods and the repr of a future before and after its result, and the state errors.

use crate::harness::{run, show, trace};
use coro_core::{Future, InvalidState, prelude::*};

async_fn! {
    async fn example_future() {
        let future = Future::new();
        trace!("{future:?} {} {}", future.done(), future.cancelled());
        for asked in [future.result().map(drop), future.exception().map(drop)] {
            match asked {
                Err(e) if e.is::<InvalidState>() => trace!("{}", show(&e)),
                other => other?,
            }
        }
        await!(sleep(secs(2)));
        future.set_result("Task Completed")?;
        let (result, exception) = (future.result()?, future.exception()?);
        trace!("{future:?} {} {} {result} {exception:?}", future.done(), future.cancelled());
        match future.set_result("again") {
            Err(e) if e.is::<InvalidState>() => trace!("{}", show(&e)),
            other => other?,
        }
        trace!("cancel after result: {}", future.cancel());
    }
}

pub fn scenario() -> Result<()> {
    run(example_future())
}
