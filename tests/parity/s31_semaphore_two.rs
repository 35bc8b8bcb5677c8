//! A semaphore of two lets five tasks through in pairs.

use crate::harness::{run, trace};
use coro_core::prelude::*;
use std::rc::Rc;

async_fn! {
    async fn access_resource(semaphore: Rc<Semaphore>, resource_id: u32) {
        async with &*semaphore {
            trace!("Accessing resource {resource_id}");
            await!(sleep(secs(1)));
            trace!("Releasing resource {resource_id}");
        }
    }

    async fn main() {
        let semaphore = Rc::new(Semaphore::new(2));
        await!(gather((0..5).map(|i| access_resource(Rc::clone(&semaphore), i))));
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
