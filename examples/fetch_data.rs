//! Coroutines awaited in turn add up; tasks run side by side.
//!
//! ```sh
//! cargo run --example fetch_data
//! ```
//! ```text
//! 1: fetching
//! 1: fetched
//! 2: fetching
//! 2: fetched
//! in turn: ["data 1", "data 2"] after 0.4 s
//! the tasks are made
//! 1: fetching
//! 2: fetching
//! 1: fetched
//! 2: fetched
//! side by side: ["data 1", "data 2"] after 0.2 s
//! ```
use coro_core::prelude::*;

async_fn! {
    async fn fetch_data(id: u32) -> String {
        println!("{id}: fetching");
        await!(sleep(millis(200)));
        println!("{id}: fetched");
        format!("data {id}")
    }

    async fn in_turn() -> [String; 2] {
        let (first, second) = (fetch_data(1), fetch_data(2)); // nothing runs before it is awaited
        [await!(first), await!(second)]
    }

    async fn side_by_side() -> [String; 2] {
        let (first, second) = (create_task(fetch_data(1)), create_task(fetch_data(2)));
        println!("the tasks are made");                       // they start when this task awaits
        [await!(first), await!(second)]
    }

    async fn program() {
        let clock = get_running_loop()?;
        let started = clock.time();
        let data = await!(in_turn());
        println!("in turn: {data:?} after {:.1} s", (clock.time() - started).as_secs_f64());
        let started = clock.time();
        let data = await!(side_by_side());
        println!("side by side: {data:?} after {:.1} s", (clock.time() - started).as_secs_f64());
    }
}

fn main() -> Result<()> {
    coro_core::run(program())
}
