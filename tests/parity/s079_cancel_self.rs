//! A task that cancels itself is stopped at its next real await, not at the call.

use crate::harness::{run, trace};
use coro_core::{current_task, prelude::*, wait};

async_fn! {
    async fn work() {
        trace!("cancel self {}", current_task().is_some_and(|me| me.cancel()));
        trace!("still running");
        let future = get_running_loop()?.create_future();
        future.set_result("ready")?;
        trace!("done future {}", await!(future));
        match try_await!(sleep(secs(0))) {
            Err(e) if e.is_cancelled() => {
                trace!("now it comes");
                raise!(e)
            }
            other => other?,
        }
        trace!("not reached");
    }

    async fn main() {
        let task = create_task(work());
        await!(wait([&task]));
        trace!("{}", task.cancelled());
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
