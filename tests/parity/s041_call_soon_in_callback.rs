//! A callback made by a callback runs in the next round, after all that were already waiting.

use crate::harness::{run, trace};
use coro_core::{EventLoop, prelude::*};

fn first(event_loop: &EventLoop) {
    trace!("first");
    let inner = event_loop.clone();
    event_loop.call_soon(move || nested(&inner));
}

fn nested(event_loop: &EventLoop) {
    trace!("nested");
    event_loop.call_soon(|| trace!("deeper"));
}

async_fn! {
    async fn main() {
        let event_loop = get_running_loop()?;
        let inner = event_loop.clone();
        event_loop.call_soon(move || first(&inner));
        event_loop.call_soon(|| trace!("second"));
        for i in 0..4 {
            await!(sleep(secs(0)));
            trace!("round {i}");
        }
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
