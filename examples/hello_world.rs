//! The smallest program: one coroutine, one await.
//!
//! ```sh
//! cargo run --example hello_world
//! ```
//! ```text
//! hello...
//! ...world
//! ```
use coro_core::prelude::*;

async_fn! {
    async fn program() {
        println!("hello...");
        await!(sleep(secs(1)));
        println!("...world");
    }
}

fn main() -> Result<()> {
    let coroutine = program(); // a call only makes a coroutine: nothing has run yet
    coro_core::run(coroutine)
}
