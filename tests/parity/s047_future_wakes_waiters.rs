//! set_result does not run the waiters at once; they run next round, in the order they waited.

use crate::harness::{run, trace};
use coro_core::{Future, prelude::*};

async_fn! {
    async fn waiter(name: char, future: Future<u32>) {
        trace!("{name} got {}", await!(future));
    }

    async fn main() {
        let event_loop = get_running_loop()?;
        let future = event_loop.create_future();
        let tasks = ['a', 'b', 'c'].map(|n| create_task(waiter(n, future.clone())));
        await!(sleep(secs(0)));
        event_loop.call_soon(|| trace!("queued before"));
        future.set_result(5)?;
        event_loop.call_soon(|| trace!("queued after"));
        trace!("set_result returned");
        await!(gather(tasks));
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
