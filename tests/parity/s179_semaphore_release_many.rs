//! Several releases in one round wake several waiters, in order.

use crate::harness::{run, trace};
use coro_core::prelude::*;
use std::rc::Rc;

async_fn! {
    async fn user(name: char, sem: Rc<Semaphore>) {
        await!(sem.acquire()).forget();
        trace!("{name} in; locked {}", sem.locked());
    }

    async fn main() {
        let sem = Rc::new(Semaphore::new(0));
        let tasks = ['a', 'b', 'c', 'd'].map(|n| create_task(user(n, Rc::clone(&sem))));
        await!(sleep(secs(1)));
        for _ in 0..3 {
            sem.release();
        }
        trace!("released three; locked {}", sem.locked());
        await!(sleep(secs(1)));
        trace!("{:?}", tasks.each_ref().map(|t| t.done()));
        sem.release();
        await!(&tasks[3]);
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
