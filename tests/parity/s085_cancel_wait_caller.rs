//! Cancelling who waits in asyncio.wait leaves the waited tasks alone.

use crate::harness::{run, trace};
use coro_core::{prelude::*, wait};

async_fn! {
    async fn work(name: char) {
        await!(sleep(secs(3)));
        trace!("{name} finished");
    }

    async fn main() {
        let tasks = ['a', 'b'].map(|n| create_task(work(n)));
        let waiting = create_task(wait(tasks.each_ref().map(|task| task.any())));
        await!(sleep(secs(1)));
        waiting.cancel();
        match try_await!(waiting) {
            Err(e) if e.is_cancelled() => trace!("wait cancelled {:?}", tasks.each_ref().map(|t| t.done())),
            other => drop(other?),
        }
        await!(gather(tasks));
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
