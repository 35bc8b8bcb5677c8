//! The repr of futures and tasks in their states, with callbacks and long results.

use crate::harness::{KeyError, OSError, run, show, trace};
use coro_core::{TaskBuilder, prelude::*, wait};

async_fn! {
    async fn work(value: Result<u32>) -> Result<u32> {
        value
    }

    async fn main() {
        let event_loop = get_running_loop()?;
        let future = event_loop.create_future::<u32>();
        trace!("{future:?}");
        future.set_exception(KeyError::new("k"))?;
        trace!("{future:?} {}", future.exception()?.as_ref().map(show).unwrap_or_default());
        let future = event_loop.create_future();
        future.set_result([0, 1, 2])?;
        trace!("{future:?}");
        let future = event_loop.create_future::<u32>();
        future.cancel_with("message");
        trace!("{future:?}");
        for value in [Ok(5), Err(OSError::new("bad").into())] {
            let task = TaskBuilder::new().name("t").create(work(value));
            await!(wait([&task]));
            trace!("{task:?} {}", task.exception()?.is_none());
        }
        let task = TaskBuilder::new().name("c").create(sleep(secs(5)));
        await!(sleep(secs(1)));
        task.cancel();
        let repr = format!("{task:?}");
        trace!("{} {}", repr.contains("cancelling"), repr.contains("pending"));
        await!(wait([&task]));
        trace!("{task:?}");
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
