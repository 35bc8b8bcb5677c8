//! The same two jobs with blocking waits (5 s) and with tasks (3 s), all on one thread.

use crate::harness::{block, now, run, trace};
use coro_core::prelude::*;

fn thread_name() -> String {
    std::thread::current().name().unwrap_or("unnamed").to_owned()
}

fn make_coffee_sync() {
    trace!("Making coffee... : Thread Name: {}", thread_name());
    block(secs(2));
    trace!("Coffee is ready!");
}

fn make_pastry_sync() {
    trace!("Making pastry... : Thread Name: {}", thread_name());
    block(secs(3));
    trace!("Pastry is ready!");
}

fn order_sync() {
    make_coffee_sync();
    make_pastry_sync();
}

async_fn! {
    async fn make_coffee_async() {
        trace!("Making coffee... : Thread Name: {}", thread_name());
        await!(sleep(secs(2)));
        trace!("Coffee is ready!");
    }

    async fn make_pastry_async() {
        trace!("Making pastry... : Thread Name: {}", thread_name());
        await!(sleep(secs(3)));
        trace!("Pastry is ready!");
    }

    async fn order_async() {
        let tasks = [create_task(make_coffee_async()), create_task(make_pastry_async())];
        await!(gather(tasks));
    }
}

pub fn scenario() -> Result<()> {
    let start = now();
    trace!("Main thread entering order_sync()");
    order_sync();
    trace!("Main thread exiting order_sync()");
    trace!("Total time: {:?} seconds", now() - start);

    let start = now();
    trace!("Main thread entering order_async()");
    run(order_async())?;
    trace!("Main thread exiting order_async()");
    trace!("Total time: {:?} seconds", now() - start);
    Ok(())
}
