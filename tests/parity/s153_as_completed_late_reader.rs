//! Items that completed while nobody looked are handed out at once, in completion order.

use crate::harness::{run, trace};
use coro_core::{as_completed, prelude::*};

async_fn! {
    async fn sleeper(delay: u64, name: &'static str) -> &'static str {
        await!(sleep(secs(delay)));
        name
    }

    async fn main() {
        let tasks = [("a", 3), ("b", 1), ("c", 2)].map(|(n, d)| create_task(sleeper(d, n)));
        let mut iterator = as_completed(tasks);
        let first = iterator.next().expect("three wait");
        await!(sleep(secs(10)));
        trace!("{}", await!(first));
        for nearest in iterator {
            trace!("{}", await!(nearest));
        }
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
