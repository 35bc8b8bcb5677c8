//! create_task never runs the coroutine at once, nor does a cancelled fresh task ever start.

use crate::harness::{run, trace};
use coro_core::{ensure_future, prelude::*};

async_fn! {
    async fn work(name: &'static str) -> &'static str {
        trace!("{name} starts");
        name
    }

    async fn main() {
        let task = create_task(work("a"));
        trace!("created {}", task.done());
        let future = ensure_future(work("b"));
        trace!("ensured {}", future.done());
        let pending = gather([work("c")]);
        trace!("gathered {}", pending.done());
        await!(sleep(secs(0)));
        trace!("after one round {} {} {}", task.done(), future.done(), pending.done());
        await!(sleep(secs(0)));
        trace!("after two {} {:?}", pending.done(), pending.result()?);
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
