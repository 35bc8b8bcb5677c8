//! A new task starts only when its creator gives up control.

use crate::harness::{run, trace};
use coro_core::prelude::*;

async_fn! {
    async fn my_coroutine() -> &'static str {
        trace!("My Coroutine");
        await!(sleep(secs(1)));
        "Coroutine Finished"
    }

    async fn main() {
        let task = create_task(my_coroutine());
        trace!("Doing Other Stuff");
        let result = await!(task);
        trace!("{result}");
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
