//! `gather` runs three coroutines at once and keeps the order of the arguments.

use crate::harness::{run, trace};
use coro_core::prelude::*;

async_fn! {
    async fn task(number: u32) -> u32 {
        trace!("Starting task {number}");
        await!(sleep(secs(1)));
        trace!("Finished task {number}");
        number
    }

    async fn main() {
        let results = await!(gather([task(1), task(2), task(3)]));
        trace!("Task results: {results:?}");
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
