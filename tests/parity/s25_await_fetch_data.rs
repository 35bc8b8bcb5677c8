//! A coroutine object is made first and awaited later.

use crate::harness::{dict, run, trace};
use coro_core::prelude::*;

dict!(Fetched { data: &'static str });

async_fn! {
    async fn fetch_data(delay: u64) -> Fetched {
        trace!("Fetching data...");
        await!(sleep(secs(delay)));
        trace!("Data fetched");
        Fetched { data: "Some data" }
    }

    async fn main() {
        trace!("Start of main coroutine");
        let task = fetch_data(2);
        let result = await!(task);
        trace!("Received result: {result:?}");
        trace!("End of main coroutine");
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
