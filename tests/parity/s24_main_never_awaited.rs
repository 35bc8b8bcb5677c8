//! Calling `main()` alone prints nothing but the warning.

use crate::harness::trace;
use coro_core::prelude::*;

async_fn! {
    async fn main() {
        trace!("Start of main coroutine");
    }
}

pub fn scenario() -> Result<()> {
    trace!("calling");
    drop(main());
    trace!("called");
    Ok(())
}
