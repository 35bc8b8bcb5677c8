//! wait_for with a limit of zero: the rounds it takes, a cancel that meets it, and a future that was cancelled before.

use crate::harness::{run, trace, type_name_of};
use coro_core::{EventLoop, prelude::*};

fn rounds(event_loop: EventLoop, n: u32, i: u32) {
    trace!("round {i}");
    if i + 1 < n {
        let inner = event_loop.clone();
        event_loop.call_soon(move || rounds(inner, n, i + 1));
    }
}

fn start_rounds(event_loop: &EventLoop, n: u32) {
    let inner = event_loop.clone();
    event_loop.call_soon(move || rounds(inner, n, 0));
}

async_fn! {
    async fn work() {
        trace!("never runs");
    }

    async fn zero(name: &'static str) {
        match try_await!(wait_for(work(), secs(0))) {
            Err(e) if e.is_timeout() || e.is_cancelled() => trace!("{name} {}", type_name_of(&e)),
            other => other?,
        }
    }

    async fn main() {
        let event_loop = get_running_loop()?;
        start_rounds(&event_loop, 5);
        await!(zero("alone"));
        let task = create_task(zero("cancelled"));
        await!(sleep(secs(0)));
        start_rounds(&event_loop, 4);
        task.cancel();
        await!(task);
        let future = event_loop.create_future::<()>();
        future.cancel();
        match try_await!(wait_for(future, secs(0))) {
            Err(e) if e.is_timeout() || e.is_cancelled() => trace!("cancelled before {}", type_name_of(&e)),
            other => other?,
        }
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
