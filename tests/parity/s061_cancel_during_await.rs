//! The error comes up at the await, in the next round; finally blocks run from the inside out.

use crate::harness::{run, trace};
use coro_core::prelude::*;

async_fn! {
    async fn inner() {
        let slept = try_await!(sleep(secs(10)));
        if slept.as_ref().is_err_and(Error::is_cancelled) {
            trace!("inner sees it");
        }
        trace!("inner finally");
        slept?;
    }

    async fn outer() {
        let result = try_await!(inner());
        trace!("outer finally");
        result?;
    }

    async fn main() {
        let task = create_task(outer());
        await!(sleep(secs(1)));
        task.cancel();
        trace!("cancel called");
        await!(sleep(secs(0)));
        trace!("one round later {}", task.done());
        await!(sleep(secs(0)));
        trace!("two rounds later {} {}", task.done(), task.cancelled());
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
