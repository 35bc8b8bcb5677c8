//! A lock held over an await makes five tasks take turns, in order.

use crate::harness::{run, trace};
use coro_core::prelude::*;
use std::rc::Rc;

async_fn! {
    async fn modify_shared_resource(lock: Rc<Lock<u32>>) {
        async with &*lock as mut shared_resource {
            trace!("Resource before modification: {}", *shared_resource);
            *shared_resource += 1;
            await!(sleep(secs(1)));
            trace!("Resource after modification: {}", *shared_resource);
        }
    }

    async fn main() {
        let lock = Rc::new(Lock::new(0)); // a lock holds what it protects
        await!(gather((0..5).map(|_| modify_shared_resource(Rc::clone(&lock)))));
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
