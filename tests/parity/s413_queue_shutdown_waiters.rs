//! A shutdown wakes all who wait to get or to put; an immediate one also drops the items.

use crate::harness::{run, trace};
use coro_core::{Queue, QueueShutDown, prelude::*, wait};
use std::rc::Rc;

async_fn! {
    async fn getter(name: String, queue: Rc<Queue<String>>) {
        match try_await!(queue.get()) {
            Err(e) if e.is::<QueueShutDown>() => trace!("{name} is told of the shutdown"),
            item => trace!("{name} got {}", item?),
        }
    }

    async fn putter(name: String, queue: Rc<Queue<String>>) {
        match try_await!(queue.put(name.clone())) {
            Err(e) if e.is::<QueueShutDown>() => {
                trace!("{name} is told of the shutdown; size {}", queue.qsize());
            }
            other => {
                other?;
                trace!("{name} has put");
            }
        }
    }

    async fn joiner(queue: Rc<Queue<String>>) {
        await!(queue.join());
        trace!("joined");
    }

    async fn main() {
        let queue = Rc::new(Queue::unbounded());
        let tasks = [0, 1, 2].map(|n| create_task(getter(format!("getter {n}"), Rc::clone(&queue))));
        await!(sleep(secs(1)));
        queue.put_nowait("last item".to_owned())?;
        queue.shutdown(false);
        await!(wait(&tasks));
        for immediate in [false, true] {
            trace!("immediate: {immediate}");
            let queue = Rc::new(Queue::bounded(1));
            queue.put_nowait("item".to_owned())?;
            let putting = |n| create_task(putter(format!("putter {n}"), Rc::clone(&queue)));
            let tasks = [putting(0), putting(1), create_task(joiner(Rc::clone(&queue)))];
            await!(sleep(secs(1)));
            queue.shutdown(immediate);
            trace!("{queue:?}");
            await!(sleep(secs(1)));
            if !immediate {
                trace!("left: {}", queue.get_nowait()?);
                queue.task_done()?;
            }
            await!(wait(&tasks));
        }
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
