//! Children may add children while the group waits; all must end before the block does.

use crate::harness::{run, trace};
use coro_core::prelude::*;

fn node(tg: TaskGroup, name: String, depth: u32) -> BoxCoroutine<()> {
    let body = move || {
        trace!("start {name}");
        sleep(secs(1)).co_await()?;
        if depth > 0 {
            tg.create_task(node(tg.clone(), format!("{name}l"), depth - 1));
            tg.create_task(node(tg.clone(), format!("{name}r"), depth - 1));
        }
        trace!("end {name}");
        Ok(())
    };
    coroutine(body).boxed()
}

async_fn! {
    async fn main() {
        async with TaskGroup::new() as tg {
            tg.create_task(node(tg.clone(), "n".to_owned(), 2));
        }
        trace!("block left");
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
