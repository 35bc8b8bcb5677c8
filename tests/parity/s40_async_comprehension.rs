//! A list collected from an async generator, and awaits while a list is gone through.

use crate::harness::{dict, run, trace};
use coro_core::prelude::*;

dict!(Response { status: u16, data: String });

async_fn! {
    async fn download(urls: Vec<&'static str>) yields Response {
        for url in urls {
            await!(sleep(secs(1)));
            let status = if url.contains("bing") { 404 } else { 200 };
            yield!(Response { status, data: format!("content of {url}") });
        }
    }

    async fn handle(err_response: Response) {
        await!(sleep(millis(500)));
        trace!("logging error response for {err_response:?}");
    }

    async fn errors_of(urls: Vec<&'static str>) -> Vec<Response> {
        let mut errors = Vec::new();
        async for r in download(urls) {
            if r.status != 200 {
                errors.push(r);
            }
        }
        errors
    }

    async fn main() {
        let errors = await!(errors_of(vec!["google.com", "duckduckgo.com"]));
        trace!("{errors:?}");
        let errors = await!(errors_of(vec!["google.com", "bing.com", "duckduckgo.com"]));
        trace!("{errors:?}");
        errors.into_iter().map(|e| handle(e).co_await()).collect::<Result<Vec<()>>>()?;
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
