//! Notified, but cancelled while it waits for the lock again: it still gets the lock, then raises.

use crate::harness::{run, trace};
use coro_core::{Condition, prelude::*, wait};
use std::rc::Rc;

async_fn! {
    async fn waiter(cond: Rc<Condition>) {
        async with &*cond as mut guard {
            match try_await!(guard.wait()) {
                Err(e) if e.is_cancelled() => {
                    trace!("cancelled; lock is held: {}", cond.locked());
                    raise!(e);
                }
                other => other?,
            }
            trace!("not reached");
        }
    }

    async fn main() {
        let cond = Rc::new(Condition::new(()));
        let task = create_task(waiter(Rc::clone(&cond)));
        await!(sleep(secs(1)));
        async with &*cond as guard {
            guard.notify(1);
            await!(sleep(secs(1)));
            task.cancel();
            await!(sleep(secs(1)));
            task.cancel();
            await!(sleep(secs(1)));
            trace!("still waiting for the lock: {}", !task.done());
        }
        await!(wait([&task]));
        trace!("{} {}", task.cancelled(), cond.locked());
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
