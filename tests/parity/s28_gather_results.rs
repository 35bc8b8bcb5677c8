//! `gather` gives a list in argument order, whatever the order of completion.

use crate::harness::{dict, run, trace};
use coro_core::prelude::*;

dict!(Fetched { id: u32, data: String });

async_fn! {
    async fn fetch_data(id: u32, sleep_time: u64) -> Fetched {
        trace!("Coroutine {id} starting to fetch data.");
        await!(sleep(secs(sleep_time)));
        Fetched { id, data: format!("Sample data from coroutine {id}") }
    }

    async fn main() {
        let results = await!(gather([fetch_data(1, 2), fetch_data(2, 1), fetch_data(3, 3)]));
        for result in results {
            trace!("Received result: {result:?}");
        }
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
