//! The waiter that was just woken is cancelled before it runs: the lock goes to the one after it.

use crate::harness::{run, trace};
use coro_core::{prelude::*, wait};
use std::rc::Rc;

async_fn! {
    async fn user(name: char, lock: Rc<Lock>) {
        async with &*lock {
            trace!("{name} has the lock");
        }
    }

    async fn main() {
        let lock = Rc::new(Lock::new(()));
        let held = await!(lock.lock());
        let tasks = ['a', 'b', 'c'].map(|n| (n, create_task(user(n, Rc::clone(&lock)))));
        await!(sleep(secs(1)));
        drop(held);
        tasks[0].1.cancel();
        trace!("released and cancelled; locked: {}", lock.locked());
        await!(wait(tasks.iter().map(|(_, task)| task)));
        for (name, task) in &tasks {
            trace!("{name} cancelled: {}", task.cancelled());
        }
        trace!("locked: {}", lock.locked());
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
