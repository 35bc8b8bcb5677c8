//! Everything on a closed loop is refused; closing twice is fine; closing while running is not.

use crate::harness::{new_event_loop, show, trace};
use coro_core::{RuntimeError, prelude::*};

async_fn! {
    async fn work() {}
}

fn attempt<T>(name: &str, result: Result<T>) {
    match result {
        Err(e) if e.is::<RuntimeError>() => trace!("{name} {}", show(&e)),
        Err(e) => trace!("{name} another error {}", show(&e)),
        Ok(_) => trace!("{name} succeeded"),
    }
}

pub fn scenario() -> Result<()> {
    let event_loop = new_event_loop()?;
    let inner = event_loop.clone();
    event_loop.call_soon(move || attempt("close while running", inner.close()));
    event_loop.run_until_complete(work())?;
    event_loop.close()?;
    event_loop.close()?;
    trace!("{} {}", event_loop.is_closed(), event_loop.is_running());
    trace!("call_soon cancelled {}", event_loop.call_soon(|| ()).cancelled());
    trace!("call_later cancelled {}", event_loop.call_later(secs(1), || ()).cancelled());
    attempt("call_soon_threadsafe", event_loop.call_soon_threadsafe(|| ()));
    attempt("create_task", event_loop.create_task(work()).result());
    attempt("run_until_complete", event_loop.run_until_complete(work()));
    attempt("run_forever", event_loop.run_forever());
    attempt("run_in_executor", event_loop.run_in_executor(|| ()).result());
    Ok(())
}
