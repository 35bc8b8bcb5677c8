//! `Lock`: one task at a time, also across awaits. It holds the data it protects.
//!
//! ```sh
//! cargo run --example lock
//! ```
//! ```text
//! before: 0
//! after: 1
//! before: 1
//! after: 2
//! before: 2
//! after: 3
//! in the end: 3
//! ```
use coro_core::prelude::*;
use std::rc::Rc;

async_fn! {
    async fn modify(shared: Rc<Lock<u32>>) {
        async with &*shared as mut resource {
            println!("before: {resource:?}");
            let value = *resource;
            await!(sleep(millis(100))); // the others wait, in the order in which they came
            *resource = value + 1;
            println!("after: {resource:?}");
        }
    }

    async fn program() {
        let shared = Rc::new(Lock::new(0));
        await!(gather((0..3).map(|_| modify(shared.clone()))));
        println!("in the end: {:?}", await!(shared.lock()));
    }
}

fn main() -> Result<()> {
    coro_core::run(program())
}
