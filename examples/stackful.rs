//! Without the macro around the functions: `#[stackful]` on an `async fn`, with `.await` as in any Rust.
//!
//! ```sh
//! cargo run --example stackful
//! ```
//! ```text
//! fetched 3 pages, 18 bytes
//! too slow: timed out
//! a std future: 42
//! ```
use coro_core::prelude::*;

/// It is a coroutine function all the same: its awaits suspend a task on a stack of its own.
#[stackful]
async fn fetch(page: u64) -> String {
    sleep(millis(100 * page)).await; // an error would leave the function, as `?` does
    format!("page {page}")
}

struct Site {
    pages: u64,
}

impl Site {
    #[stackful]
    async fn size(&self) -> Result<usize> {
        let pages = gather((1..=self.pages).map(fetch)).await;
        Ok(pages.iter().map(String::len).sum())
    }
}

#[stackful]
async fn program() -> Result<()> {
    let site = Site { pages: 3 };
    println!("fetched {} pages, {} bytes", site.pages, site.size().await);

    // `try_await!` catches; in any other function it is `.co_await()`, which gives the same Result.
    if let Err(error) = try_await!(wait_for(fetch(5), millis(200))) {
        println!("too slow: {error}");
    }

    println!("a std future: {}", std::future::ready(42).await);
    Ok(())
}

fn main() -> Result<()> {
    coro_core::run(program())
}
