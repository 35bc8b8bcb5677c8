//! Which kinds of values can be awaited; the unawaited coroutine is reported.

use crate::harness::{implements, run, trace};
use coro_core::prelude::*;

async_fn! {
    async fn my_function() {
        await!(sleep(secs(4)));
    }

    async fn main() {
        let future = get_running_loop()?.create_future::<()>();
        let task = create_task(sleep(secs(0)));
        trace!("future {}", implements!(future, Awaitable));
        trace!("task {}", implements!(&task, Awaitable));
        trace!("function {}", implements!(my_function, Awaitable));
        trace!("number {}", implements!(3, Awaitable));
        await!(task);
    }
}

pub fn scenario() -> Result<()> {
    trace!("isawaitable = {}", implements!(my_function(), Awaitable));
    run(main())
}
