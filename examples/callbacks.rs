//! Callbacks, the floor below coroutines: `call_soon`, `call_later`, done callbacks.
//!
//! ```sh
//! cargo run --example callbacks
//! ```
//! ```text
//! the callbacks are scheduled
//! soon
//! boiled
//! done: Ok("egg")
//! program goes on
//! later
//! ```
use coro_core::prelude::*;

async_fn! {
    async fn boil() -> &'static str {
        await!(sleep(millis(100)));
        println!("boiled");
        "egg"
    }

    async fn program() {
        let event_loop = get_running_loop()?;
        let started = event_loop.time();
        event_loop.call_later(millis(200), || println!("later"));
        event_loop.call_soon(|| println!("soon"));
        event_loop.call_soon(|| println!("never")).cancel();

        let task = create_task(boil());
        task.add_done_callback(|task| println!("done: {:?}", task.result()));
        println!("the callbacks are scheduled"); // they run when this task awaits
        await!(task);
        println!("program goes on");

        // A callback cannot await; one that must starts a task, or sets what somebody awaits.
        let midnight = event_loop.create_future();
        let bell = midnight.clone();
        event_loop.call_at(started + millis(300), move || bell.set_result(()).unwrap());
        await!(midnight);
    }
}

fn main() -> Result<()> {
    coro_core::run(program())
}
