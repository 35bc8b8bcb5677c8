//! `Semaphore`: so many tasks at a time.
//!
//! ```sh
//! cargo run --example semaphore
//! ```
//! ```text
//! Accessing resource 0
//! Accessing resource 1
//! Releasing resource 0
//! Releasing resource 1
//! Accessing resource 2
//! Accessing resource 3
//! Releasing resource 2
//! Releasing resource 3
//! Accessing resource 4
//! Releasing resource 4
//! ```
use coro_core::prelude::*;
use std::rc::Rc;

async_fn! {
    async fn access_resource(semaphore: Rc<Semaphore>, id: u32) {
        async with &*semaphore {
            println!("Accessing resource {id}");
            await!(sleep(millis(100)));
            println!("Releasing resource {id}");
        }
    }

    async fn program() {
        let two = Rc::new(Semaphore::new(2));
        await!(gather((0..5).map(|id| access_resource(two.clone(), id))));
    }
}

fn main() -> Result<()> {
    coro_core::run(program())
}
