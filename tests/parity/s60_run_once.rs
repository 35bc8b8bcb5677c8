//! `run` makes a loop, runs and closes it; what its coroutine raises comes out of it.

use crate::harness::{run, show, trace};
use coro_core::{EventLoop, prelude::*};

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct LookupError(&'static str);

async_fn! {
    async fn main() -> EventLoop {
        await!(sleep(secs(1)));
        trace!("hello");
        get_running_loop()?
    }

    async fn fails() {
        raise!(LookupError("out of main"));
    }
}

pub fn scenario() -> Result<()> {
    let event_loop = run(main())?;
    trace!("closed {} running {}", event_loop.is_closed(), event_loop.is_running());
    match run(fails()) {
        Err(e) if e.is::<LookupError>() => trace!("{}", show(&e)),
        other => other?,
    }
    Ok(())
}
