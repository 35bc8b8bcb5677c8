//! An own SIGINT handler of the loop replaces the cancelling of main.

use std::rc::Rc;

use crate::harness::{run, trace};
use coro_core::signal::SignalKind;
use coro_core::{current_task, prelude::*};

fn interrupt() {
    // SAFETY: it only sends a signal to this very process.
    unsafe { libc::kill(libc::getpid(), libc::SIGINT) };
}

async_fn! {
    async fn main() -> &'static str {
        let event_loop = get_running_loop()?;
        let stop = Rc::new(Event::new());
        let handler = stop.clone();
        event_loop.add_signal_handler(SignalKind::interrupt(), move || handler.set())?;
        event_loop.call_later(secs(1), interrupt);
        await!(stop.wait());
        trace!("stopped politely; requests {}", current_task().map_or(0, |task| task.cancelling()));
        "value"
    }
}

pub fn scenario() -> Result<()> {
    trace!("{}", run(main())?);
    Ok(())
}
