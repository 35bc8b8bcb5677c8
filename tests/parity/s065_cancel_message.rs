//! The message of cancel reaches the task, and whoever awaits the task afterwards.

use crate::harness::{args, run, trace, type_name_of};
use coro_core::prelude::*;

async_fn! {
    async fn work() {
        match try_await!(sleep(secs(10))) {
            Err(e) if e.is_cancelled() => {
                trace!("inside {}", args(&e));
                raise!(e)
            }
            other => other?,
        }
    }

    async fn main() {
        let task = create_task(work());
        await!(sleep(secs(1)));
        task.cancel_with("enough");
        match try_await!(&task) {
            Err(e) if e.is_cancelled() => trace!("outside {}", args(&e)),
            other => other?,
        }
        for asked in [task.result(), task.exception().map(drop)] {
            match asked {
                Err(e) if e.is_cancelled() => trace!("asked later {}", type_name_of(&e)),
                other => other?,
            }
        }
        let fresh = create_task(work());
        fresh.cancel_with("before start");
        match try_await!(fresh) {
            Err(e) if e.is_cancelled() => trace!("fresh {}", args(&e)),
            other => other?,
        }
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
