//! A done callback gets the finished task; one that fails is an error of the loop.

use crate::harness::{run, show, trace};
use coro_core::prelude::*;

async_fn! {
    async fn stopwatch() {
        for count in 1..5 {
            await!(sleep(secs(1)));
            trace!("{count}");
        }
    }

    async fn main() {
        get_running_loop()?.set_exception_handler(|_, context| {
            trace!("handler: {}", context.exception.as_ref().map(show).unwrap_or_default());
        });
        let task = create_task(stopwatch());
        task.add_done_callback(callb);
        task.add_done_callback(no_parameter);
        await!(task);
        trace!("main goes on");
    }
}

fn callb(task: Task<()>) {
    trace!("task is done {task:?}");
}

fn no_parameter(_task: Task<()>) {
    panic!("no_parameter() fails");
}

pub fn scenario() -> Result<()> {
    run(main())
}
