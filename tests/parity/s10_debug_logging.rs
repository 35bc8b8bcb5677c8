//! Debug mode: the selector is logged, and a step that blocks too long is warned about.

use crate::harness::{block, run, run_debug, set_log_filter, set_log_level, trace};
use coro_core::prelude::*;

fn leave_out_the_handle(text: String) -> String {
    match (text.find('<'), text.rfind('>')) {
        (Some(start), Some(end)) => format!("{}<...>{}", &text[..start], &text[end + 1..]),
        _ => text,
    }
}

async_fn! {
    async fn main() {
        let event_loop = get_running_loop()?;
        let slow = event_loop.slow_callback_duration().as_secs_f64();
        trace!("debug {} slow after {slow}", event_loop.get_debug());
        await!(sleep(millis(50)));
        block(millis(250));
        await!(sleep(secs(0)));
        trace!("done");
    }

    async fn quiet() {
        trace!("debug {}", get_running_loop()?.get_debug());
        block(millis(250));
    }
}

pub fn scenario() -> Result<()> {
    set_log_level(tracing::Level::DEBUG);
    set_log_filter(leave_out_the_handle);
    run_debug(main())?;
    trace!("without debug");
    run(quiet())
}
