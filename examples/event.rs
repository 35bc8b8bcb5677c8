//! `Event`: a flag that some tasks wait for and another sets.
//!
//! ```sh
//! cargo run --example event
//! ```
//! ```text
//! waiter 1: waiting for the event
//! waiter 2: waiting for the event
//! setter: the event is set
//! waiter 1: going on
//! waiter 2: going on
//! waiter 3: going on
//! ```
use coro_core::prelude::*;

async_fn! {
    async fn waiter(number: u32, event: &Event) {
        if !event.is_set() {
            println!("waiter {number}: waiting for the event");
        }
        await!(event.wait());
        println!("waiter {number}: going on");
    }

    async fn setter(event: &Event) {
        await!(sleep(millis(200)));
        event.set();
        println!("setter: the event is set");
    }

    async fn program() {
        let event = Event::new();
        TaskGroup::scope(|group| { // its tasks may borrow the event
            group.create_task(waiter(1, &event));
            group.create_task(waiter(2, &event));
            group.create_task(setter(&event));
            Ok(())
        })?;
        await!(waiter(3, &event)); // it stays set
    }
}

fn main() -> Result<()> {
    coro_core::run(program())
}
