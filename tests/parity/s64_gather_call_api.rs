//! Results of `gather` unpacked; both calls take three seconds together.

use crate::harness::{run, trace};
use coro_core::prelude::*;

async_fn! {
    async fn call_api(message: &'static str, result: u32) -> u32 {
        trace!("{message}");
        await!(sleep(secs(3)));
        result
    }

    async fn main() {
        let (a, b) = await!(gather((call_api("Calling API 1", 1), call_api("Calling API 2", 2))));
        trace!("{a} {b}");
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
