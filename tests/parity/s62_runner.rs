//! A `Runner` runs several coroutines on one loop.

use crate::harness::{new_runner, trace};
use coro_core::{EventLoop, prelude::*};

async_fn! {
    async fn main(text: &'static str) -> EventLoop {
        await!(sleep(secs(1)));
        trace!("{text}");
        get_running_loop()?
    }
}

pub fn scenario() -> Result<()> {
    let mut runner = new_runner()?;
    let first = runner.run(main("hello"))?;
    let second = runner.run(main("hello again"))?;
    trace!("same loop {}", first.same(&second));
    runner.close()?;
    trace!("closed {}", first.is_closed());
    Ok(())
}
