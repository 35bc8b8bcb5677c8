//! A task finishes while its creator sleeps; awaiting it later costs no time.

use crate::harness::{run, trace};
use coro_core::prelude::*;

async_fn! {
    async fn my_coroutine() -> &'static str {
        await!(sleep(secs(1)));
        trace!("Task done...");
        "My Coroutine completed"
    }

    async fn main() {
        trace!("Starting Coroutine...");
        let future = create_task(my_coroutine());
        trace!("Going to Maldives on a 2 day vacation");
        await!(sleep(secs(10)));
        trace!("Come back from vacation");
        let result = await!(future);
        trace!("future = {result}");
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
