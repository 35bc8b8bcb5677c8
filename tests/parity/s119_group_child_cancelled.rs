//! A child cancelled alone is no error for the group; its siblings go on.

use crate::harness::{run, trace};
use coro_core::{TaskBuilder, prelude::*};

async_fn! {
    async fn child(name: &'static str) -> &'static str {
        await!(sleep(secs(3)));
        name
    }

    async fn main() {
        let mut children = None;
        async with TaskGroup::new() as tg {
            let a = tg.create_task(child("a"));
            let b = tg.create_task_with(TaskBuilder::new().name("second"), child("b"));
            await!(sleep(secs(1)));
            a.cancel();
            children = Some((a, b));
        }
        let Some((a, b)) = children else { return };
        trace!("{} {} {}", a.cancelled(), b.result()?, b.get_name());
        async with TaskGroup::new() {}
        trace!("empty group is immediate");
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
