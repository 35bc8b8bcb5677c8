//! A queue shut down: puts fail at once, gets go on until it is empty.

use crate::harness::{run, show, trace};
use coro_core::{Queue, QueueShutDown, prelude::*};
use std::fmt::Debug;
use std::rc::Rc;

async_fn! {
    async fn attempt<A: Awaitable<Output: Debug>>(name: &'static str, call: A) {
        match try_await!(call) {
            Err(e) if e.is::<QueueShutDown>() => trace!("{name} fails: {}", show(&e)),
            other => trace!("{name} gives {:?}", other?),
        }
    }

    async fn join(queue: Rc<Queue<u32>>) {
        await!(queue.join());
    }

    async fn main() {
        let queue = Rc::new(Queue::bounded(3));
        for n in 0..3 {
            queue.put_nowait(n)?;
        }
        queue.shutdown(false);
        trace!("{queue:?}");
        await!(attempt("put", queue.put(9)));
        match queue.put_nowait(9) {
            Err(e) if e.is::<QueueShutDown>() => {
                trace!("put_nowait fails: {} although full: {}", show(&e), queue.full());
            }
            other => other?,
        }
        await!(attempt("get", queue.get()));
        trace!("get_nowait gives {}", queue.get_nowait()?);
        queue.shutdown(false);
        await!(attempt("get", queue.get()));
        await!(attempt("get", queue.get()));
        match queue.get_nowait() {
            Err(e) if e.is::<QueueShutDown>() => {
                trace!("get_nowait fails: {} size {}", show(&e), queue.qsize());
            }
            other => drop(other?),
        }
        let joiner = create_task(join(Rc::clone(&queue)));
        await!(sleep(secs(1)));
        for _ in 0..3 {
            trace!("join done: {} {queue:?}", joiner.done());
            queue.task_done()?;
        }
        await!(joiner);
        trace!("joined {queue:?}");
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
