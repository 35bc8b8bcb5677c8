//! Asynchronous comprehensions: collecting from asynchronous iteration, and awaits inside iterator chains.
//!
//! ```sh
//! cargo run --example comprehension
//! ```
//! ```text
//! failed: ["bing.com"]
//! handled: ["log entry for bing.com"]
//! total: 32 bytes
//! ```
use coro_core::prelude::*;

struct Response {
    url: &'static str,
    status: u16,
}

async_fn! {
    async fn download(urls: Vec<&'static str>) yields Response {
        for url in urls {
            await!(sleep(millis(100)));
            yield!(Response { url, status: if url == "bing.com" { 404 } else { 200 } });
        }
    }

    async fn handle(url: &str) -> String {
        await!(sleep(millis(100)));
        format!("log entry for {url}")
    }

    async fn program() {
        let urls = vec!["google.com", "bing.com", "duckduckgo.com"];

        // [r async for r in download(urls) if r.status != 200]
        let mut failed = Vec::new();
        async for response in download(urls.clone()) {
            if response.status != 200 { failed.push(response.url); }
        }
        println!("failed: {failed:?}");

        // [await handle(url) for url in failed]: any closure may await.
        let handled: Vec<String> = failed.iter().map(|url| handle(url).co_await()).collect::<Result<_>>()?;
        println!("handled: {handled:?}");

        // sum(len(r.url) async for r in download(urls)), as an ordinary iterator of results.
        let mut responses = download(urls);
        let sizes = std::iter::from_fn(|| responses.anext().transpose()).map(|r| Ok(r?.url.len()));
        println!("total: {} bytes", sizes.sum::<Result<usize>>()?);
    }
}

fn main() -> Result<()> {
    coro_core::run(program())
}
