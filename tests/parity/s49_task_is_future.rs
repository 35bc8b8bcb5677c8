//! A task is a future, a coroutine is not; both can be awaited.

use crate::harness::{implements, run, trace, type_of};
use coro_core::{AsFuture, ensure_future, prelude::*};

async_fn! {
    async fn stopwatch() -> &'static str {
        await!(sleep(secs(1)));
        "time"
    }

    async fn main() {
        let coro = stopwatch();
        trace!("coroutine {}", implements!(&coro, AsFuture));
        let task = create_task(coro);
        let is_a_future = type_of(&*task) == "Future"; // it dereferences to one
        trace!("task {} {is_a_future}", implements!(&task, AsFuture));
        let future = get_running_loop()?.create_future::<()>();
        let is_a_task = type_of(&future) == "Task";
        trace!("future {} {is_a_task}", implements!(&future, AsFuture));
        trace!("ensure_future of a task is the task: {}", ensure_future(task.future()).same(&task.any()));
        trace!("{}", await!(task));
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
