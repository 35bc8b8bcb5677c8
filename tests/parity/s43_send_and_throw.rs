//! A coroutine driven by hand inside a task: `send` gives its future, `throw` ends it and its caller.

use crate::harness::{run, show, trace};
use coro_core::{Awaited, Cancelled, Step, prelude::*};

async_fn! {
    async fn stopwatch() {
        let mut count = 0;
        loop {
            match try_await!(sleep(secs(1))) {
                Err(e) if e.is_cancelled() => {
                    trace!("stopwatch sees the cancel at count {count}");
                    raise!(e)
                }
                other => other?,
            }
            count += 1;
            trace!("{count}");
        }
    }

    async fn main() {
        let mut coro = stopwatch();
        let waited_for = match coro.send(None)? {
            Step::Suspended(Awaited::Future(future)) => Some(future),
            _ => None,
        };
        trace!("send gave a future: {}", waited_for.is_some());
        await!(sleep(secs(2)));
        trace!("throwing; the future is done: {}", waited_for.is_some_and(|future| future.done()));
        coro.throw(Cancelled::new().into())?;
        trace!("not reached");
    }
}

pub fn scenario() -> Result<()> {
    match run(main()) {
        Err(e) if e.is_cancelled() => trace!("run raised {}", show(&e)),
        other => other?,
    }
    Ok(())
}
