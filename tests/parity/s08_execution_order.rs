//! The later task may end first; tasks begin in the order they were created.

use crate::harness::{run, trace};
use coro_core::prelude::*;

async_fn! {
    async fn first_task() {
        trace!("First Task Start");
        await!(sleep(secs(2)));
        trace!("First Task End");
    }

    async fn second_task() {
        trace!("Second Task Start");
        await!(sleep(secs(1)));
        trace!("Second Task End");
    }

    async fn main() {
        create_task(first_task());
        create_task(second_task());
        await!(sleep(secs(3)));
        trace!("main ends");
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
