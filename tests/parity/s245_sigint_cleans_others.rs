//! After SIGINT the other tasks are cancelled too, with time to clean up, before run raises.

use crate::harness::{run, show, trace};
use coro_core::{KeyboardInterrupt, current_task, prelude::*};

fn interrupt() {
    // SAFETY: it only sends a signal to this very process.
    unsafe { libc::kill(libc::getpid(), libc::SIGINT) };
}

async_fn! {
    async fn other() {
        let slept = try_await!(sleep(secs(100)));
        await!(sleep(secs(1)));
        trace!("other cleaned up");
        slept?;
    }

    async fn main() {
        create_task(other());
        get_running_loop()?.call_later(secs(1), interrupt);
        let slept = try_await!(sleep(secs(50)));
        trace!("main finally; requests {}", current_task().map(|me| me.cancelling()).unwrap_or_default());
        slept?;
    }
}

pub fn scenario() -> Result<()> {
    match run(main()) {
        Err(e) if e.is::<KeyboardInterrupt>() => trace!("{}", show(&e)),
        other => other?,
    }
    Ok(())
}
