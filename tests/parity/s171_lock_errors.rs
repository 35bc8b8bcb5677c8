//! Releasing a free lock is an error; an exception in the block frees it; repr tells the state.

use crate::harness::{KeyError, run, trace};
use coro_core::prelude::*;
use std::rc::Rc;

/// `[locked]>` of `<Lock [locked]>`.
fn state_of(lock: &Lock) -> String {
    format!("{lock:?}").replace("<Lock ", "")
}

async_fn! {
    async fn block(lock: Rc<Lock>) {
        async with &*lock {
            trace!("locked {} {}", lock.locked(), state_of(&lock));
            raise!(KeyError::new("inside"));
        }
    }

    async fn acquire(lock: Rc<Lock>) {
        let acquired = try_await!(lock.lock());
        trace!("{} {}", acquired.is_ok(), lock.locked());
    }

    async fn main() {
        let lock = Rc::new(Lock::new(()));
        match try_await!(block(Rc::clone(&lock))) {
            Err(e) if e.is::<KeyError>() => trace!("locked {} {}", lock.locked(), state_of(&lock)),
            other => other?,
        }
        let held = try_await!(lock.lock());
        trace!("{}", held.is_ok());
        let waiting = create_task(acquire(Rc::clone(&lock)));
        await!(sleep(secs(0)));
        trace!("{}", state_of(&lock));
        drop(held);
        trace!("between release and wake-up: {}", lock.locked());
        await!(waiting);
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
