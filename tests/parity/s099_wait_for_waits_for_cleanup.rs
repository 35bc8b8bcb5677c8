//! After its limit wait_for waits until the inner task has really ended.

use crate::harness::{run, trace};
use coro_core::prelude::*;

async_fn! {
    async fn slow() {
        let slept = try_await!(sleep(secs(100)));
        trace!("cleanup starts");
        await!(sleep(secs(5)));
        trace!("cleanup ends");
        slept?;
    }

    async fn main() {
        match try_await!(wait_for(slow(), secs(1))) {
            Err(e) if e.is_timeout() => trace!("TimeoutError"),
            other => other?,
        }
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
