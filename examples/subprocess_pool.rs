//! Child processes: twenty commands, four at a time.
//!
//! ```sh
//! cargo run --example subprocess_pool
//! ```
//! ```text
//! 1 * 1 = 1
//! 2 * 2 = 4
//! 3 * 3 = 9
//! 4 * 4 = 16
//! 5 * 5 = 25
//! 6 * 6 = 36
//! 7 * 7 = 49
//! 8 * 8 = 64
//! 9 * 9 = 81
//! 10 * 10 = 100
//! 11 * 11 = 121
//! 12 * 12 = 144
//! 13 * 13 = 169
//! 14 * 14 = 196
//! 15 * 15 = 225
//! 16 * 16 = 256
//! 17 * 17 = 289
//! 18 * 18 = 324
//! 19 * 19 = 361
//! 20 * 20 = 400
//! at most 4 children at a time
//! ```
use coro_core::prelude::*;
use coro_core::process::Command;
use std::cell::Cell;
use std::rc::Rc;

struct Pool {
    places: Semaphore,
    running: Cell<u32>,
    most: Cell<u32>,
}

async_fn! {
    /// Lets a shell do the sum.
    async fn square(pool: Rc<Pool>, n: u32) -> String {
        let _place = await!(pool.places.acquire()); // given back at the end
        pool.running.set(pool.running.get() + 1);
        pool.most.set(pool.most.get().max(pool.running.get()));
        let output = Command::new("sh").args(["-c", &format!("echo {n} '*' {n} = $(({n} * {n}))")]).output()?;
        pool.running.set(pool.running.get() - 1);
        String::from_utf8(output.stdout)?
    }

    async fn program() {
        let pool = Rc::new(Pool { places: Semaphore::new(4), running: Cell::new(0), most: Cell::new(0) });
        for line in await!(gather((1..=20).map(|n| square(pool.clone(), n)))) {
            print!("{line}");
        }
        println!("at most {} children at a time", pool.most.get());
    }
}

fn main() -> Result<()> {
    coro_core::run(program())
}
