//! A LIFO queue gives the newest first; a bounded one still blocks putters in order.

use crate::harness::{run, trace};
use coro_core::{LifoQueue, prelude::*, wait};
use std::rc::Rc;

async_fn! {
    async fn putter(queue: Rc<LifoQueue<u32>>, item: u32) {
        await!(queue.put(item));
        trace!("put {item}");
    }

    async fn main() {
        let queue = Rc::new(LifoQueue::bounded(2));
        let tasks = [0, 1, 2, 3].map(|i| create_task(putter(Rc::clone(&queue), i)));
        await!(sleep(secs(1)));
        for _ in 0..4 {
            trace!("got {}", await!(queue.get()));
            await!(sleep(secs(1)));
        }
        await!(wait(&tasks));
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
