//! gather and TaskGroup with eager tasks: a gather whose tasks are all done at creation never waits.

use crate::harness::{run, trace};
use coro_core::prelude::*;

async_fn! {
    async fn value<T: 'static>(n: T) -> T {
        n
    }

    async fn slow<T: std::fmt::Display + 'static>(n: T) -> T {
        trace!("slow {n} starts");
        await!(sleep(secs(1)));
        n
    }

    async fn main() {
        let event_loop = get_running_loop()?;
        event_loop.set_eager_tasks(true);
        event_loop.call_soon(|| trace!("the first round is over"));
        let gathered = gather([1, 2, 3].map(value));
        trace!("gather is done already: {} {:?}", gathered.done(), await!(gathered));
        let mixed = gather([value(1).boxed(), slow(2).boxed(), value(3).boxed()]);
        trace!("with a slow one it is not: {}", mixed.done());
        trace!("{:?}", await!(mixed));
        let (mut first, mut second) = (None, None);
        async with TaskGroup::new() as tg {
            let (one, other) = (tg.create_task(value("x")), tg.create_task(slow("y")));
            trace!("in the group: {} {}", one.done(), other.done());
            (first, second) = (Some(one), Some(other));
        }
        let result = |task: Option<Task<&'static str>>| task.map_or(Ok("no task"), |task| task.result());
        trace!("after it: {} {}", result(first)?, result(second)?);
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
