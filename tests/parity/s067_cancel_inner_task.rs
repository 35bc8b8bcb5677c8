//! Cancelling the task that another awaits raises in the awaiting one, which may handle it.

use crate::harness::{run, trace};
use coro_core::{Future, current_task, prelude::*, wait};

async_fn! {
    async fn inner() {
        await!(sleep(secs(100)));
    }

    async fn outer(task: Future<()>, handle: bool) -> &'static str {
        match try_await!(task) {
            Err(e) if e.is_cancelled() => {
                let requests = current_task().map(|me| me.cancelling()).unwrap_or_default();
                trace!("outer sees it; own requests: {requests}");
                if !handle {
                    raise!(e);
                }
            }
            other => other?,
        }
        "handled"
    }

    async fn main() {
        for handle in [true, false] {
            let task = create_task(inner());
            let waiting = create_task(outer(task.future(), handle));
            await!(sleep(secs(1)));
            task.cancel();
            await!(wait([&waiting]));
            trace!("outer cancelled: {} inner cancelled: {}", waiting.cancelled(), task.cancelled());
        }
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
