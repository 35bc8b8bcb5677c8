//! uncancel before the next step takes a cancel back entirely; a timeout counts from what it found.

use crate::harness::{run, trace};
use coro_core::{current_task, prelude::*, timeout};

async_fn! {
    async fn take_back() {
        let Some(me) = current_task() else { return };
        me.cancel();
        me.cancel();
        trace!("asked twice: {} left: {} {}", me.cancelling(), me.uncancel(), me.uncancel());
        await!(sleep(secs(1)));
        trace!("slept undisturbed");
    }

    async fn partly() {
        let Some(me) = current_task() else { return };
        me.cancel();
        me.cancel();
        me.uncancel();
        match try_await!(sleep(secs(1))) {
            Err(e) if e.is_cancelled() => trace!("one request left: cancelled"),
            other => other?,
        }
    }

    async fn timeout_after_swallowed_cancel() {
        let Some(me) = current_task() else { return };
        match try_await!(sleep(secs(100))) {
            Err(e) if e.is_cancelled() => trace!("swallowed; requests {}", me.cancelling()),
            other => other?,
        }
        match timeout(secs(1), || sleep(secs(100)).co_await()) {
            Err(e) if e.is_timeout() => trace!("the timeout still works; requests {}", me.cancelling()),
            other => other?,
        }
    }

    async fn main() {
        await!(create_task(take_back()));
        await!(create_task(partly()));
        let task = create_task(timeout_after_swallowed_cancel());
        await!(sleep(secs(1)));
        task.cancel();
        await!(task);
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
