//! gather and as_completed see all that an iterator gives before the first of it becomes a task.

use crate::harness::{run, trace};
use coro_core::{as_completed, prelude::*};

async_fn! {
    async fn work(name: String) -> String {
        trace!("{name} runs");
        name
    }

    async fn main() {
        let pair = |n: u32, child: String| {
            create_task(work(format!("beside {n}")));
            trace!("gives {n}");
            work(child)
        };
        trace!("{:?}", await!(gather((0..2).map(|n| pair(n, format!("child {n}"))))));
        let iterator = as_completed((0..2).map(|n| pair(n, "a child".to_owned())));
        await!(sleep(secs(0)));
        let mut results = Vec::new();
        for nearest in iterator {
            results.push(await!(nearest));
        }
        trace!("{results:?}");
        // Eager children start only when all have been given.
        get_running_loop()?.set_eager_tasks(true);
        trace!("{:?}", await!(gather((0..2).map(|n| pair(n, format!("child {n}"))))));
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
