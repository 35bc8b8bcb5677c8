//! A cancelled Condition.wait takes the lock back before the error goes on.

use crate::harness::{run, trace};
use coro_core::{Condition, prelude::*, wait};
use std::rc::Rc;

async_fn! {
    async fn waiter(cond: Rc<Condition>) {
        async with &*cond as mut guard {
            let waited = try_await!(guard.wait());
            match &waited {
                Err(e) if e.is_cancelled() => trace!("cancelled, holding the lock: {}", cond.locked()),
                _ => {}
            }
            trace!("leaving");
            waited?;
        }
    }

    async fn main() {
        let cond = Rc::new(Condition::new(()));
        let task = create_task(waiter(Rc::clone(&cond)));
        await!(sleep(secs(1)));
        let guard = await!(cond.lock());
        task.cancel();
        await!(sleep(secs(2)));
        trace!("waiter done while main has the lock: {}", task.done());
        drop(guard);
        await!(wait([&task]));
        trace!("{} locked {}", task.cancelled(), cond.locked());
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
