//! Coroutine objects do not run side by side: 2 s and then 2 s more.

use crate::harness::{dict, run, trace};
use coro_core::prelude::*;

dict!(Fetched { data: &'static str, id: u32 });

async_fn! {
    async fn fetch_data(delay: u64, id: u32) -> Fetched {
        trace!("Fetching data... id: {id}");
        await!(sleep(secs(delay)));
        trace!("Data fetched, id: {id}");
        Fetched { data: "Some data", id }
    }

    async fn main() {
        let task1 = fetch_data(2, 1);
        let task2 = fetch_data(2, 2);
        let result1 = await!(task1);
        trace!("Received result: {result1:?}");
        let result2 = await!(task2);
        trace!("Received result: {result2:?}");
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
