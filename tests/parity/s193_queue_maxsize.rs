//! Putters of a full queue block and go on in order, one for each item taken.

use crate::harness::{run, trace};
use coro_core::{Queue, prelude::*};
use std::rc::Rc;

async_fn! {
    async fn putter(name: char, queue: Rc<Queue<String>>) {
        for i in 0..2 {
            await!(queue.put(format!("{name}{i}")));
            trace!("put {name}{i} size {}", queue.qsize());
        }
    }

    async fn main() {
        let queue = Rc::new(Queue::bounded(2));
        let tasks = ['a', 'b', 'c'].map(|n| create_task(putter(n, Rc::clone(&queue))));
        await!(sleep(secs(1)));
        trace!("full {}", queue.full());
        while !(queue.empty() && tasks.iter().all(|t| t.done())) {
            trace!("got {}", await!(queue.get()));
            await!(sleep(secs(1)));
        }
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
