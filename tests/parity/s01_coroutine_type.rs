//! A call of an async function gives a coroutine object; dropping it unawaited is reported.

use crate::harness::{trace, type_of};
use coro_core::prelude::*;

async_fn! {
    async fn fetch_data() {}
}

pub fn scenario() -> Result<()> {
    trace!("<class '{}'>", type_of(fetch_data()));
    Ok(())
}
