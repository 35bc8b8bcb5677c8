//! An awaitable with a bare yield lets every other ready task run once.

use crate::harness::{run, trace};
use coro_core::{Awaited, prelude::*, suspend};

struct Stopwatch;

impl Awaitable for Stopwatch {
    type Output = ();

    fn co_await(self) -> Result<()> {
        suspend(Awaited::Yield).map(drop)
    }
}

async_fn! {
    async fn other() {
        trace!("other");
    }

    async fn main() {
        let task = create_task(other());
        trace!("before {}", task.done());
        await!(Stopwatch);
        trace!("after {}", task.done());
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
