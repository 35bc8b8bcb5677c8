//! In debug mode a slow callback and a slow task step are logged with the time they took.

use crate::harness::{block, run_debug, set_log_filter, trace};
use coro_core::prelude::*;

fn shorten(text: String) -> String {
    let line = text.lines().next().unwrap_or_default();
    match (line.find('<'), line.rfind('>')) {
        (Some(start), Some(end)) => format!("{}<...>{}", &line[..start], &line[end + 1..]),
        _ => line.to_owned(),
    }
}

async_fn! {
    async fn main() {
        let event_loop = get_running_loop()?;
        event_loop.call_soon(|| block(millis(50)));
        event_loop.call_soon(|| block(millis(500)));
        await!(sleep(secs(0)));
        event_loop.set_slow_callback_duration(secs(1));
        block(millis(900));
        await!(sleep(secs(0)));
        block(millis(1_500));
        await!(sleep(secs(0)));
        trace!("end");
    }
}

pub fn scenario() -> Result<()> {
    set_log_filter(shorten);
    run_debug(main())
}
