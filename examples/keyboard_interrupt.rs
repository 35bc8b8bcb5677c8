//! Ctrl-C cancels the main coroutine, which cleans up; then the process ends with status 130.
//!
//! A second Ctrl-C, while it cleans up, ends the process at once.
//!
//! ```sh
//! cargo run --example keyboard_interrupt
//! ```
//! ```text
//! working for ten seconds: press Ctrl-C
//! ^C
//! cleaning up
//! cleaned up
//! ```
use coro_core::prelude::*;

async_fn! {
    async fn work() {
        if let Err(error) = try_await!(sleep(secs(10))) {
            println!("\ncleaning up");
            await!(sleep(millis(200))); // cleaning up may await
            println!("cleaned up");
            raise!(error);
        }
    }

    #[coro_core::main]
    async fn main() {
        println!("working for ten seconds: press Ctrl-C");
        await!(work());
        println!("nobody pressed Ctrl-C");
    }
}
