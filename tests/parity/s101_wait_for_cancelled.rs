//! Cancelling a wait_for cancels its inner task and raises only when that has ended.

use crate::harness::{run, trace};
use coro_core::{prelude::*, wait};

async_fn! {
    async fn inner() {
        match try_await!(sleep(secs(100))) {
            Err(e) if e.is_cancelled() => {
                trace!("inner cancelled");
                raise!(e)
            }
            other => other?,
        }
    }

    async fn main() {
        let task = create_task(inner());
        let waiting = create_task(wait_for(task.future(), secs(50)));
        await!(sleep(secs(1)));
        waiting.cancel();
        match try_await!(waiting) {
            Err(e) if e.is_cancelled() => trace!("waiting cancelled, inner {}", task.cancelled()),
            other => other?,
        }
        let shielded = create_task(inner());
        match try_await!(wait_for(shield(shielded.future()), secs(1))) {
            Err(e) if e.is_timeout() => trace!("shielded task goes on: {}", !shielded.done()),
            other => other?,
        }
        shielded.cancel();
        await!(wait([&shielded]));
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
