//! What was scheduled last still runs: the rounds after main's end, with and without a task that is left.

use crate::harness::{run, trace};
use coro_core::{EventLoop, prelude::*};

fn rounds(event_loop: EventLoop, i: u32) {
    trace!("round {i}");
    let inner = event_loop.clone();
    event_loop.call_soon(move || rounds(inner, i + 1));
}

async_fn! {
    async fn leftover() {
        let slept = try_await!(sleep(secs(10)));
        trace!("leftover ends");
        slept?;
    }

    async fn main(left: bool) {
        let event_loop = get_running_loop()?;
        if left {
            create_task(leftover());
            await!(sleep(secs(0)));
        }
        let inner = event_loop.clone();
        event_loop.call_soon(move || rounds(inner, 0));
        trace!("main ends");
    }
}

pub fn scenario() -> Result<()> {
    run(main(false))?;
    run(main(true))
}
