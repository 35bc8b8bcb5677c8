//! The same nested coroutine as a task; a finished task may be awaited again.

use crate::harness::{run, trace};
use coro_core::prelude::*;

async_fn! {
    async fn nested() -> u32 {
        trace!("nested runs");
        42
    }

    async fn main() {
        let task = create_task(nested());
        trace!("created");
        trace!("{}", await!(&task));
        trace!("{}", await!(&task));
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
