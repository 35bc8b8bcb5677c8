//! Waiting by blocking the thread, and waiting by awaiting: the same two jobs, on one thread.
//!
//! ```sh
//! cargo run --example coffee_and_pastry
//! ```
//! ```text
//! Making coffee...
//! Coffee is ready!
//! Making pastry...
//! Pastry is ready!
//! blocking: 0.5 seconds
//! Making coffee...
//! Making pastry...
//! Coffee is ready!
//! Pastry is ready!
//! concurrent: 0.3 seconds
//! ```
use coro_core::prelude::*;
use std::{thread, time::Instant};

const COFFEE: Duration = millis(200);
const PASTRY: Duration = millis(300);

fn order_blocking() {
    println!("Making coffee...");
    thread::sleep(COFFEE); // nothing else can run on this thread meanwhile
    println!("Coffee is ready!");
    println!("Making pastry...");
    thread::sleep(PASTRY);
    println!("Pastry is ready!");
}

async_fn! {
    async fn make_coffee() {
        println!("Making coffee...");
        await!(sleep(COFFEE)); // only this task waits
        println!("Coffee is ready!");
    }

    async fn make_pastry() {
        println!("Making pastry...");
        await!(sleep(PASTRY));
        println!("Pastry is ready!");
    }

    async fn order_concurrent() {
        let started = get_running_loop()?.time();
        await!(gather((make_coffee(), make_pastry())));
        let took = get_running_loop()?.time() - started;
        println!("concurrent: {:.1} seconds", took.as_secs_f64());
    }
}

fn main() -> Result<()> {
    let started = Instant::now();
    order_blocking();
    println!("blocking: {:.1} seconds", started.elapsed().as_secs_f64());
    coro_core::run(order_concurrent())
}
