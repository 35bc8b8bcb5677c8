//! If the awaited task swallows the cancel and returns, the outer one goes on as if nothing happened.

use crate::harness::{run, trace};
use coro_core::{current_task, prelude::*};

async_fn! {
    async fn inner() -> &'static str {
        match try_await!(sleep(secs(100))) {
            Err(e) if e.is_cancelled() => {
                trace!("inner swallows");
                "inner value"
            }
            other => {
                other?;
                "not cancelled"
            }
        }
    }

    async fn outer(task: Task<&'static str>) -> &'static str {
        let value = await!(task);
        trace!("outer has {value} requests {}", current_task().map(|me| me.cancelling()).unwrap_or_default());
        await!(sleep(secs(1)));
        "outer value"
    }

    async fn main() {
        let task = create_task(inner());
        let waiting = create_task(outer(task));
        await!(sleep(secs(1)));
        waiting.cancel();
        trace!("{} {}", await!(&waiting), waiting.cancelled());
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
