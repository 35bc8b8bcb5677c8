//! run_until_complete of a loop that is stopped early is an error; a future may be run again.

use crate::harness::{KeyError, new_event_loop, show, trace};
use coro_core::{RuntimeError, prelude::*};

async_fn! {
    async fn work() -> &'static str {
        await!(sleep(secs(2)));
        "finished"
    }
}

pub fn scenario() -> Result<()> {
    let event_loop = new_event_loop()?;
    let task = event_loop.create_task(work());
    let stopped = event_loop.clone();
    event_loop.call_later(secs(1), move || stopped.stop());
    match event_loop.run_until_complete(task.future()) {
        Err(e) if e.is::<RuntimeError>() => trace!("{} {}", show(&e), task.done()),
        other => drop(other?),
    }
    trace!("{}", event_loop.run_until_complete(task.future())?);
    trace!("{} again", event_loop.run_until_complete(task.future())?);
    let future = event_loop.create_future::<()>();
    future.set_exception(KeyError::new("k"))?;
    match event_loop.run_until_complete(future) {
        Err(e) if e.is::<KeyError>() => trace!("{}", show(&e)),
        other => other?,
    }
    event_loop.close()
}
