//! A timeout over a shield gives up waiting, the work goes on, and its result can be read later.

use crate::harness::{run, trace};
use coro_core::{prelude::*, timeout};

async_fn! {
    async fn work() -> &'static str {
        await!(sleep(secs(5)));
        "slow result"
    }

    async fn main() {
        let task = create_task(work());
        for attempt in 0..3 {
            match timeout(secs(2), || shield(task.future()).co_await()) {
                Err(e) if e.is_timeout() => trace!("attempt {attempt} gave up; task done: {}", task.done()),
                result => {
                    trace!("result {}", result?);
                    break;
                }
            }
        }
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
