//! The running loop exists only inside a coroutine or callback; it is one object.

use crate::harness::{run, show, trace};
use coro_core::{EventLoop, RuntimeError, prelude::*};

fn is_running_loop(event_loop: &EventLoop) -> bool {
    get_running_loop().is_ok_and(|running| running.same(event_loop))
}

fn trace_that_none_runs() -> Result<()> {
    match get_running_loop() {
        Err(e) if e.is::<RuntimeError>() => trace!("{}", show(&e)),
        other => drop(other?),
    }
    Ok(())
}

async_fn! {
    async fn stopwatch(event_loop: EventLoop) {
        await!(sleep(secs(1)));
        trace!("same loop: {}", is_running_loop(&event_loop));
    }

    async fn main() -> EventLoop {
        let event_loop = get_running_loop()?;
        trace!("{event_loop:?}");
        let same = event_loop.clone();
        event_loop.call_soon(move || trace!("callback, same loop: {}", is_running_loop(&same)));
        let task = create_task(stopwatch(event_loop.clone()));
        task.add_done_callback(|t| trace!("done callback {}", t.done()));
        await!(task);
        event_loop
    }
}

pub fn scenario() -> Result<()> {
    trace_that_none_runs()?;
    let event_loop = run(main())?;
    trace!("{event_loop:?}");
    trace_that_none_runs()
}
