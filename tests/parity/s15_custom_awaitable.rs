//! A type of one's own that can be awaited: it delegates to `sleep` and returns a value.

use crate::harness::{run, trace};
use coro_core::prelude::*;

struct CustomAwaitable;

impl Awaitable for CustomAwaitable {
    type Output = &'static str;

    fn co_await(self) -> Result<Self::Output> {
        sleep(secs(2)).co_await()?;
        Ok("Custom Awaitable Done")
    }
}

async_fn! {
    async fn main() {
        let result = await!(CustomAwaitable);
        trace!("{result}");
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
