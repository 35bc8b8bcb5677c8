//! Both tasks of a group are complete after the block.

use crate::harness::{run, trace};
use coro_core::prelude::*;

async_fn! {
    async fn coro1() -> &'static str {
        await!(sleep(secs(1)));
        "one"
    }

    async fn coro2() -> &'static str {
        await!(sleep(secs(2)));
        "two"
    }

    async fn main() {
        let mut tasks = None;
        async with TaskGroup::new() as tg {
            tasks = Some((tg.create_task(coro1()), tg.create_task(coro2())));
        }
        let Some((task1, task2)) = tasks else { return };
        trace!("Both tasks have completed now. {} {}", task1.result()?, task2.result()?);
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
