//! Three tasks awaited one after another take as long as the longest.

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
        let task1 = create_task(fetch_data(1, 2));
        let task2 = create_task(fetch_data(2, 3));
        let task3 = create_task(fetch_data(3, 1));
        let result1 = await!(task1);
        trace!("first result is there");
        let result2 = await!(task2);
        trace!("second result is there");
        let result3 = await!(task3);
        trace!("{result1:?} {result2:?} {result3:?}");
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
