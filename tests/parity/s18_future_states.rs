//! A bare future goes from pending to done and hands out its result.

use crate::harness::{run, trace};
use coro_core::{Future, prelude::*};

async_fn! {
    async fn example_future() {
        let future = Future::new();
        trace!("Initial state: {}", future.done());
        await!(sleep(secs(2)));
        future.set_result("Task Completed")?;
        trace!("Final state: {}", future.done());
        trace!("Result: {}", future.result()?);
    }
}

pub fn scenario() -> Result<()> {
    run(example_future())
}
