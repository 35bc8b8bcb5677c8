//! The smallest program: one coroutine, no await in it.

use crate::harness::{run, trace};
use coro_core::prelude::*;

async_fn! {
    async fn main() {
        trace!("Start of main coroutine");
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
