//! A coroutine awaited through another one.

use crate::harness::{run, trace};
use coro_core::prelude::*;

async_fn! {
    async fn my_function() {
        await!(sleep(secs(4)));
        trace!("Hello! from my_function()");
    }

    async fn main() {
        await!(my_function());
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
