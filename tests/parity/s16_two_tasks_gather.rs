//! Tasks made before `gather`; the shorter one reports first.

use crate::harness::{run, trace};
use coro_core::prelude::*;

async_fn! {
    async fn task1() {
        await!(sleep(secs(4)));
        trace!("Task 1 done");
    }

    async fn task2() {
        await!(sleep(secs(1)));
        trace!("Task 2 done");
    }

    async fn main() {
        let t1 = create_task(task1());
        let t2 = create_task(task2());
        trace!("Start main()...");
        await!(gather((t1, t2)));
        trace!("End main()...");
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
