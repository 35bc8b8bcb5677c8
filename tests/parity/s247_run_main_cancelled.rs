//! A main cancelled by a timer makes run raise; a leftover may still use a new task while closing.

use crate::harness::{args, run, trace};
use coro_core::{current_task, prelude::*};

async_fn! {
    async fn main() {
        let Some(me) = current_task() else { return };
        get_running_loop()?.call_later(secs(1), move || _ = me.cancel_with("by a timer"));
        let slept = try_await!(sleep(secs(10)));
        trace!("finally");
        slept?;
    }

    async fn helper() -> &'static str {
        await!(sleep(secs(1)));
        "helper"
    }

    async fn leftover() {
        match try_await!(sleep(secs(10))) {
            Err(e) if e.is_cancelled() => {
                trace!("leftover waits for a helper");
                trace!("{}", await!(create_task(helper())));
            }
            other => other?,
        }
    }

    async fn helper_while_closing() {
        create_task(leftover());
        await!(sleep(secs(0)));
    }
}

pub fn scenario() -> Result<()> {
    match run(main()) {
        Err(e) if e.is_cancelled() => trace!("out of run {}", args(&e)),
        other => other?,
    }
    run(helper_while_closing())
}
