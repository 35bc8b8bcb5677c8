//! A call only makes a coroutine object.

use crate::harness::trace;
use coro_core::prelude::*;

async_fn! {
    async fn main() {
        trace!("hello");
        await!(sleep(secs(1)));
        trace!("world");
    }
}

pub fn scenario() -> Result<()> {
    let coro = main();
    trace!("{coro:?}");
    drop(coro);
    trace!("dropped");
    Ok(())
}
