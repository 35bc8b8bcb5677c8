//! The block of a `TaskGroup` ends when its last task has ended.

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
        let mut tasks = Vec::new();
        async with TaskGroup::new() as tg {
            for (i, sleep_time) in (1..).zip([2, 1, 3]) {
                let task = tg.create_task(fetch_data(i, sleep_time));
                tasks.push(task);
            }
            trace!("all created");
        }
        let results: Vec<Fetched> = tasks.iter().map(|task| task.result()).collect::<Result<_>>()?;
        for result in results {
            trace!("Received result: {result:?}");
        }
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
