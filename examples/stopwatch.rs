//! Cancelling a task: the cancellation is raised at its await, can be cleaned up after, and goes on.
//!
//! ```sh
//! cargo run --example stopwatch
//! ```
//! ```text
//! 1
//! 2
//! cancel returns true
//! done right after: false
//! stopping at 2
//! stopped
//! awaiting it raises: cancelled
//! cancelled: true
//! ```
use coro_core::prelude::*;

async_fn! {
    async fn stopwatch() {
        let mut count = 0;
        loop {
            if let Err(error) = try_await!(sleep(millis(100))) {
                println!("stopping at {count}");
                await!(sleep(millis(50))); // cleaning up may await
                println!("stopped");
                raise!(error);
            }
            count += 1;
            println!("{count}");
        }
    }

    async fn program() {
        let task = create_task(stopwatch());
        await!(sleep(millis(250)));
        println!("cancel returns {}", task.cancel());
        println!("done right after: {}", task.done()); // it ends at its next step
        match try_await!(&task) {
            Err(error) if error.is_cancelled() => println!("awaiting it raises: {error}"),
            other => println!("{other:?}"),
        }
        println!("cancelled: {}", task.cancelled());
    }
}

fn main() -> Result<()> {
    coro_core::run(program())
}
