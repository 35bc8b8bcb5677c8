//! ensure_future: a coroutine gets a task, a future comes back itself, an awaitable is wrapped.

use crate::harness::{run, trace};
use coro_core::{ensure_future, prelude::*};

struct Waits;

impl Awaitable for Waits {
    type Output = &'static str;

    fn co_await(self) -> Result<&'static str> {
        sleep(secs(1)).co_await()?;
        Ok("awaited")
    }
}

async_fn! {
    async fn work() -> &'static str {
        "worked"
    }

    async fn main() {
        let future = get_running_loop()?.create_future::<()>();
        trace!("{}", ensure_future(future.clone()).same(&future.any()));
        let task = ensure_future(work());
        let wrapped = ensure_future(Waits);
        trace!("{} {}", task.task_name().is_some(), wrapped.task_name().is_some());
        trace!("{} {}", await!(task), await!(wrapped));
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
