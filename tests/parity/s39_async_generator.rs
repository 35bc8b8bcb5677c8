//! An async generator that sleeps before each value, read by `async for`.

use crate::harness::{dict, run, trace};
use coro_core::prelude::*;

dict!(Response { status: u16, data: String });

async_fn! {
    async fn download(urls: Vec<&'static str>) yields Response {
        for url in urls {
            await!(sleep(secs(1)));
            let response = Response { status: 200, data: format!("content of {url}") };
            yield!(response);
        }
    }

    async fn main() {
        let urls = vec!["google.com", "bing.com", "duckduckgo.com"];
        async for value in download(urls) {
            trace!("{value:?}");
        }
        trace!("finished");
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
