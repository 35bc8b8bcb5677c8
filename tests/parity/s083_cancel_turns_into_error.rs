//! A task that answers a cancel with another error fails; the error keeps the cancel as context.

use crate::harness::{OSError, run, show, trace};
use coro_core::prelude::*;

async_fn! {
    async fn work() {
        match try_await!(sleep(secs(10))) {
            // Python keeps what is being handled by itself.
            Err(e) if e.is_cancelled() => raise!(Error::caused_by(OSError::new("cleanup broke"), e)),
            other => other?,
        }
    }

    async fn main() {
        let task = create_task(work());
        await!(sleep(secs(1)));
        task.cancel_with("go");
        match try_await!(&task) {
            Err(e) if e.is::<OSError>() => {
                trace!("{} context {}", show(&e), e.cause().map(show).unwrap_or_default());
            }
            other => other?,
        }
        trace!("{}", task.cancelled());
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
