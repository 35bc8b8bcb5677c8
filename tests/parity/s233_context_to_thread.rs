//! to_thread carries the context over; run_in_executor does not; nothing comes back.

use crate::harness::{run, trace};
use coro_core::{ContextVar, prelude::*};

static VAR: ContextVar<&str> = ContextVar::with_default("var", || "unset");

fn work() -> (&'static str, bool) {
    let before = VAR.get().unwrap_or("no value");
    VAR.set("set in the thread");
    (before, std::thread::current().name() == Some("MainThread"))
}

async_fn! {
    async fn main() {
        VAR.set("main value");
        trace!("to_thread {:?}", await!(to_thread(work)));
        let event_loop = get_running_loop()?;
        trace!("run_in_executor {:?}", await!(event_loop.run_in_executor(work)));
        trace!("main {}", VAR.get()?);
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
