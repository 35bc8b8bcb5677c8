//! A coroutine made without the DSL, from a closure that delegates to another coroutine.

use crate::harness::{run, trace};
use coro_core::prelude::*;

async_fn! {
    async fn stuff() -> &'static str {
        await!(sleep(secs(1)));
        "stuff"
    }

    async fn main() {
        trace!("{}", await!(fun(7)));
    }
}

fn fun(x: u32) -> impl Awaitable<Output = String> {
    coroutine(move || {
        let got = stuff().co_await()?;
        Ok(format!("{got} {x}"))
    })
}

pub fn scenario() -> Result<()> {
    run(main())
}
