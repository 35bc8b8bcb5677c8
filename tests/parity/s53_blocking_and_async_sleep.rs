//! A blocking sleep holds up every other task, an async one does not.

use crate::harness::{block, run, trace};
use coro_core::prelude::*;

async_fn! {
    async fn ticker() {
        for i in 0..3 {
            trace!("tick {i}");
            await!(sleep(secs(1)));
        }
    }

    async fn main() {
        let task = create_task(ticker());
        await!(sleep(millis(500)));
        trace!("blocking for 10");
        block(secs(10));
        trace!("blocked");
        await!(sleep(secs(10)));
        trace!("slept {}", task.done());
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
