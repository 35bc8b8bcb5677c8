//! The error of a shielded task that nobody awaits any more is reported when the task is freed.

use crate::harness::{run, show, trace};
use coro_core::{Future, ValueError, prelude::*, wait};

async_fn! {
    async fn fails() {
        await!(sleep(secs(2)));
        raise!(ValueError::new("too late to tell"))
    }

    async fn outer(task: Future<()>) {
        await!(shield(task));
    }

    async fn main() {
        get_running_loop()?.set_exception_handler(|_, c| {
            trace!("handler: {} {}", c.message, c.exception.as_ref().map(show).unwrap_or_default());
        });
        let task = create_task(fails());
        let waiting = create_task(outer(task.future()));
        await!(sleep(secs(1)));
        waiting.cancel();
        await!(wait([&waiting]));
        trace!("outer cancelled");
        await!(sleep(secs(5)));
        trace!("inner done {}", task.done());
        drop((task, waiting));
        trace!("end");
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
