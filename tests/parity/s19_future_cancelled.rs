//! A cancelled bare future reports so; cancelling it again does nothing.

use crate::harness::{run, show, trace};
use coro_core::{Future, prelude::*};

async_fn! {
    async fn example_cancellation() {
        let future = Future::<()>::new();
        trace!("cancel returns {}", future.cancel());
        trace!("Cancelled: {}", future.cancelled());
        trace!("done {} again {} {future:?}", future.done(), future.cancel());
        match future.result() {
            Err(e) if e.is_cancelled() => trace!("result raises {}", show(&e)),
            other => other?,
        }
    }
}

pub fn scenario() -> Result<()> {
    run(example_cancellation())
}
