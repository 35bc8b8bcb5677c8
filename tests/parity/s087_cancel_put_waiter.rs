//! A putter blocked on a full queue is cancelled: its item never arrives, the next putter moves up.

use crate::harness::{run, trace};
use coro_core::{Queue, prelude::*, wait};
use std::rc::Rc;

async_fn! {
    async fn putter(queue: Rc<Queue<&'static str>>, item: &'static str) {
        match try_await!(queue.put(item)) {
            Err(e) if e.is_cancelled() => {
                trace!("gave up {item}");
                raise!(e);
            }
            other => other?,
        }
        trace!("put {item}");
    }

    async fn main() {
        let queue = Rc::new(Queue::bounded(1));
        queue.put_nowait("first")?;
        let tasks = ["x", "y", "z"].map(|i| create_task(putter(Rc::clone(&queue), i)));
        await!(sleep(secs(1)));
        trace!("got {}", queue.get_nowait()?);
        tasks[0].cancel();
        await!(sleep(secs(1)));
        trace!("got {}", await!(queue.get()));
        trace!("got {}", await!(queue.get()));
        await!(wait(&tasks));
        trace!("left {}", queue.qsize());
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
