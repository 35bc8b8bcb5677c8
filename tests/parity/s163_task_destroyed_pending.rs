//! A pending task that nobody holds: the loop does, so it stays.

use crate::harness::{run, trace};
use coro_core::{Future, all_tasks, prelude::*};

async_fn! {
    async fn waits(future: Future<()>) {
        await!(&future);
    }

    async fn main() {
        let event_loop = get_running_loop()?;
        event_loop.set_exception_handler(|_, context| trace!("handler: {}", context.message));
        let task = create_task(waits(event_loop.create_future()));
        await!(sleep(secs(0)));
        trace!("pending {}", !task.done());
        drop(task);
        trace!("end {}", all_tasks()?.len());
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
