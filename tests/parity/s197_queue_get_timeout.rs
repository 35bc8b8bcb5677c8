//! A get under a timeout leaves nothing behind: the next item goes to the next getter.

use crate::harness::{run, trace};
use coro_core::{Queue, prelude::*};

async_fn! {
    async fn join(queue: &Queue<&'static str>) {
        async with Timeout::new(secs(1)) {
            await!(queue.join());
        }
    }

    async fn main() {
        let queue = Queue::unbounded();
        for attempt in 0..2 {
            match try_await!(wait_for(queue.get(), secs(1))) {
                Err(e) if e.is_timeout() => trace!("empty at attempt {attempt}"),
                other => drop(other?),
            }
        }
        queue.put_nowait("item")?;
        trace!("size {}", queue.qsize());
        async with Timeout::new(secs(1)) {
            trace!("{}", await!(queue.get()));
        }
        match try_await!(join(&queue)) {
            Err(e) if e.is_timeout() => trace!("join timed out: no task_done was called"),
            other => other?,
        }
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
