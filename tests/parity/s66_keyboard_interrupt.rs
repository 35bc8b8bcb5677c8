//! Ctrl-C cancels the main task, which may clean up; then `KeyboardInterrupt` comes out of `run`.

use crate::harness::{run, show, trace};
use coro_core::{KeyboardInterrupt, prelude::*};

fn interrupt() {
    // SAFETY: it only sends a signal to this very process.
    unsafe { libc::kill(libc::getpid(), libc::SIGINT) };
}

async_fn! {
    async fn main() {
        get_running_loop()?.call_later(secs(1), interrupt);
        match try_await!(sleep(secs(10))) {
            Err(e) if e.is_cancelled() => {
                trace!("main task gets {}", show(&e));
                await!(sleep(secs(1)));
                trace!("cleaned up");
                raise!(e)
            }
            other => other?,
        }
    }
}

pub fn scenario() -> Result<()> {
    match run(main()) {
        Err(e) if e.is::<KeyboardInterrupt>() => trace!("run raised {}", show(&e)),
        other => other?,
    }
    Ok(())
}
