//! An eager task runs at once; one that never suspends is done when create_task returns.

use crate::harness::{run, trace};
use coro_core::prelude::*;

async_fn! {
    async fn quick(n: u32) -> u32 {
        trace!("running {n}");
        n * 2
    }

    async fn awaits_plain(n: u32) -> u32 {
        await!(quick(n)) + 1
    }

    async fn main() {
        let event_loop = get_running_loop()?;
        event_loop.set_eager_tasks(true);
        trace!("before");
        let task = create_task(quick(1));
        trace!("created; done: {} {}", task.done(), task.result()?);
        task.add_done_callback(|t| trace!("callback {}", t.result().unwrap_or_default()));
        trace!("callbacks still come later");
        trace!("awaited: {} without a round", await!(&task));
        await!(sleep(secs(0)));
        let inner = create_task(awaits_plain(5));
        trace!("a chain of plain awaits: {} {}", inner.done(), inner.result()?);
        trace!("cancel of a done task: {}", inner.cancel());
        let ready = event_loop.create_future();
        ready.set_result("ready")?;
        let future_task = create_task(wait_for(ready, secs(5)));
        trace!("a done future does not suspend: {} {}", future_task.done(), future_task.result()?);
        event_loop.set_eager_tasks(false);
        let lazy = create_task(quick(3));
        trace!("lazy again; done: {}", lazy.done());
        await!(lazy);
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
