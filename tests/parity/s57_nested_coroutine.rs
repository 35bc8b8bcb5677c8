//! A nested coroutine that is only called is reported; the awaited one gives 42.

use crate::harness::{run, trace};
use coro_core::prelude::*;

async_fn! {
    async fn nested() -> u32 {
        42
    }

    async fn main() {
        drop(nested());
        trace!("{}", await!(nested()));
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
