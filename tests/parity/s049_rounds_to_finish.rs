//! How many rounds pass between the end of a task and the wake-up of who awaits it.

use crate::harness::{run, trace};
use coro_core::prelude::*;

async_fn! {
    async fn child() {
        trace!("child runs");
    }

    async fn parent() {
        await!(create_task(child()));
        trace!("parent goes on");
    }

    async fn main() {
        let task = create_task(parent());
        task.add_done_callback(|_| trace!("parent's callback"));
        for i in 0..6 {
            await!(sleep(secs(0)));
            trace!("round {i} {}", task.done());
        }
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
