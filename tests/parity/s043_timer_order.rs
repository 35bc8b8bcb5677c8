//! Timers run by time and, at one time, in the order they were made.

use crate::harness::{run, trace};
use coro_core::prelude::*;

async_fn! {
    async fn main() {
        let event_loop = get_running_loop()?;
        let start = event_loop.time();
        for i in 0..8 {
            event_loop.call_at(start + secs(1), move || trace!("one {i}"));
        }
        event_loop.call_at(start + millis(500), || trace!("half"));
        event_loop.call_later(secs(2), || trace!("two"));
        event_loop.call_later(secs(0), || trace!("zero"));
        event_loop.call_soon(|| trace!("soon"));
        await!(sleep(secs(3)));
        trace!("end");
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
