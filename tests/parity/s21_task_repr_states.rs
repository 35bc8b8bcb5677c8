//! The repr of a task created on a loop before, while and after it runs.

use crate::harness::{new_event_loop, trace};
use coro_core::{Future, prelude::*};

async_fn! {
    async fn example_future() {
        let future = Future::new();
        await!(sleep(secs(2)));
        future.set_result("Task Completed")?;
    }
}

pub fn scenario() -> Result<()> {
    let event_loop = new_event_loop()?;
    let task = event_loop.create_task(example_future());
    trace!("{task:?}");
    let watched = task.future();
    event_loop.call_later(secs(1), move || trace!("{watched:?}"));
    event_loop.run_until_complete(task.future())?;
    trace!("{task:?}");
    event_loop.close()
}
