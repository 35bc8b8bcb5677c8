//! Waiting getters are served in order; the items of one round go to different getters.

use crate::harness::{run, trace};
use coro_core::{Queue, prelude::*, wait};
use std::rc::Rc;

async_fn! {
    async fn getter(name: char, queue: Rc<Queue<u32>>) {
        trace!("{name} got {}", await!(queue.get()));
    }

    async fn main() {
        let queue = Rc::new(Queue::unbounded());
        let tasks = ['a', 'b', 'c'].map(|n| create_task(getter(n, Rc::clone(&queue))));
        await!(sleep(secs(1)));
        queue.put_nowait(1)?;
        queue.put_nowait(2)?;
        trace!("two items, size {}", queue.qsize());
        await!(sleep(secs(1)));
        queue.put_nowait(3)?;
        await!(wait(&tasks));
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
