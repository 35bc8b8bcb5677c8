//! The repr, the names and the methods of a task.

use crate::harness::{run, show, trace};
use coro_core::{RuntimeError, TaskBuilder, current_task, prelude::*};

async_fn! {
    async fn stopwatch() {
        await!(sleep(secs(1)));
    }

    async fn main() {
        let task = create_task(stopwatch());
        trace!("{task:?}");
        trace!("{} inside {}", task.get_name(), current_task().map(|me| me.get_name()).unwrap_or_default());
        task.set_name("watch");
        trace!("{}", task.get_name());
        let other = TaskBuilder::new().name("given").create(stopwatch());
        trace!("{other:?}");
        for refused in [task.set_result(()), task.set_exception(Error::msg("none"))] {
            match refused {
                Err(e) if e.is::<RuntimeError>() => trace!("{}", show(&e)),
                other => other?,
            }
        }
        await!(gather([task.future(), other.future()]));
        trace!("{task:?}");
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
