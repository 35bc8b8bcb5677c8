//! acquire and release move the count; release may go above the start, but not when bounded.

use crate::harness::{run, show, trace};
use coro_core::{BoundedSemaphore, ValueError, prelude::*};
use std::rc::Rc;

async_fn! {
    async fn main() {
        let sem = Semaphore::new(1);
        await!(sem.acquire()).forget();
        trace!("locked {}", sem.locked());
        sem.release();
        sem.release();
        await!(sem.acquire()).forget();
        await!(sem.acquire()).forget();
        trace!("two taken, locked {}", sem.locked());
        let bounded = BoundedSemaphore::new(2);
        let permit = await!(bounded.acquire());
        trace!("inside {}", bounded.locked());
        drop(permit);
        match bounded.release() {
            Err(e) if e.is::<ValueError>() => trace!("{}", show(&e)),
            other => other?,
        }
        let zero = Rc::new(Semaphore::new(0));
        let released = Rc::clone(&zero);
        get_running_loop()?.call_later(secs(1), move || released.release());
        trace!("{}", try_await!(zero.acquire()).is_ok());
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
