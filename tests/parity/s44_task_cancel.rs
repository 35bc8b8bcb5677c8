//! A task is cancelled the proper way; it ends at its next step.

use crate::harness::{run, trace};
use coro_core::prelude::*;

async_fn! {
    async fn stopwatch() {
        let mut count = 0;
        loop {
            await!(sleep(secs(1)));
            count += 1;
            trace!("{count}");
        }
    }

    async fn main() {
        let task = create_task(stopwatch());
        await!(sleep(millis(2_500)));
        trace!("cancel returns {}", task.cancel());
        trace!("done right after: {} cancelled: {}", task.done(), task.cancelled());
        match try_await!(&task) {
            Err(e) if e.is_cancelled() => trace!("main sees the cancel {task:?}"),
            other => other?,
        }
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
