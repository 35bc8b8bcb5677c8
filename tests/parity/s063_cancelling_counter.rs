//! cancelling counts requests, uncancel takes them back, never below zero; neither stops delivery.

use crate::harness::{run, trace};
use coro_core::{current_task, prelude::*};

async_fn! {
    async fn work() -> &'static str {
        let Some(me) = current_task() else { return "not a task" };
        trace!("fresh {} {}", me.cancelling(), me.uncancel());
        match try_await!(sleep(secs(10))) {
            Err(e) if e.is_cancelled() => {
                trace!("after error {}", me.cancelling());
                trace!("uncancel {} {} {}", me.uncancel(), me.uncancel(), me.cancelling());
            }
            other => other?,
        }
        await!(sleep(secs(1)));
        "kept going"
    }

    async fn main() {
        let task = create_task(work());
        await!(sleep(secs(1)));
        task.cancel();
        trace!("count {}", task.cancelling());
        trace!("{} {} {}", await!(&task), task.cancelled(), task.cancelling());
        let task = create_task(work());
        await!(sleep(secs(1)));
        task.cancel();
        trace!("uncancel from outside {}", task.uncancel());
        trace!("{}", await!(task));
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
