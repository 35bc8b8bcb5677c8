//! Awaiting a coroutine runs it to its end and gives its return value.

use crate::harness::{run, trace};
use coro_core::prelude::*;

async_fn! {
    async fn fetch_data() {
        trace!("fetch_data runs");
    }

    async fn main() {
        trace!("result {:?}", await!(fetch_data()));
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
