//! Threads beside the loop: `to_thread` for blocking work, and the doors by which a thread reaches the loop.
//!
//! ```sh
//! cargo run --example threads
//! ```
//! ```text
//! lines: ["first", "second"]
//! the sums: [5050, 500500]
//! 1 of 2
//! 2 of 2
//! the loop answered: 42
//! ```
use coro_core::{LoopHandle, prelude::*};
use std::{fs, thread};

/// Blocking code, as it would stand in any program.
fn read_lines(text: &str) -> std::io::Result<Vec<String>> {
    let path = std::env::temp_dir().join(format!("coro-threads-{}.txt", std::process::id()));
    fs::write(&path, text)?;
    let lines = fs::read_to_string(&path)?.lines().map(String::from).collect();
    fs::remove_file(&path)?;
    Ok(lines)
}

/// Runs in a thread, and has things done on the loop.
fn report(event_loop: &LoopHandle) -> Result<u32> {
    for step in 1..=2 {
        thread::sleep(millis(50));
        event_loop.call_soon_threadsafe(move || println!("{step} of 2"))?;
    }
    event_loop.run_coroutine_threadsafe(|| answer(6)).result(secs(5))
}

async_fn! {
    async fn answer(n: u32) -> u32 {
        await!(sleep(millis(50)));
        n * 7
    }

    async fn program() {
        println!("lines: {:?}", await!(to_thread(|| read_lines("first\nsecond\n")))?);

        let sums = [100, 1_000].map(|n| to_thread(move || (1..=n).sum::<u32>()));
        println!("the sums: {:?}", await!(gather(sums))); // two threads at once

        let handle = get_running_loop()?.handle();
        println!("the loop answered: {}", await!(to_thread(move || report(&handle)))?);
    }
}

fn main() -> Result<()> {
    coro_core::run(program())
}
