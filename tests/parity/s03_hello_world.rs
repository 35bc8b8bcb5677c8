//! `run` drives one coroutine with one sleep.

use crate::harness::{run, trace};
use coro_core::prelude::*;

async_fn! {
    async fn main() {
        trace!("Hello");
        await!(sleep(secs(1)));
        trace!("world");
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
