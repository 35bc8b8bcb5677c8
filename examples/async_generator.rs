//! An asynchronous generator: a function that awaits and yields, read by `async for`.
//!
//! ```sh
//! cargo run --example async_generator
//! ```
//! ```text
//! 200: content of google.com
//! 200: content of bing.com
//! the download is closed
//! 1
//! 1
//! 2
//! 3
//! 5
//! ```
use coro_core::prelude::*;

struct Response {
    status: u16,
    data: String,
}

async_fn! {
    async fn download(urls: &[&str]) yields Response {
        for url in urls {
            await!(sleep(millis(100)));
            if let Err(closed) = try_yield!(Response { status: 200, data: format!("content of {url}") }) {
                println!("the download is closed");
                raise!(closed);
            }
        }
    }

    async fn fibonacci() yields u32 {
        let (mut a, mut b) = (1, 1);
        loop {
            yield!(a);
            (a, b) = (b, a + b);
        }
    }

    async fn program() {
        async for response in download(&["google.com", "bing.com", "duckduckgo.com"]) {
            println!("{}: {}", response.status, response.data);
            if response.data.contains("bing") {
                break; // closes the generator where it stands
            }
        }
        async for number in fibonacci() {
            if number > 5 {
                break;
            }
            println!("{number}");
        }
    }
}

fn main() -> Result<()> {
    coro_core::run(program())
}
