//! wait_for runs a coroutine in the task of its caller, unless its limit is zero or less.

use crate::harness::{run, show, trace, type_name_of};
use coro_core::{AnyTask, ContextVar, current_task, prelude::*};

static VAR: ContextVar<&str> = ContextVar::with_default("var", || "unset");

async_fn! {
    async fn work(caller: AnyTask, value: &'static str) -> &'static str {
        trace!("same task: {}", current_task().is_some_and(|me| me.same(&caller)));
        VAR.set(value);
        await!(sleep(secs(0)));
        value
    }

    async fn main() {
        let Some(me) = current_task() else { return };
        let event_loop = get_running_loop()?;
        event_loop.call_soon(|| trace!("a callback made before"));
        let value = await!(wait_for(work(me.clone(), "with a limit"), secs(5)));
        trace!("{value} seen outside: {}", VAR.get()?);
        let value = await!(work(me.clone(), "without")); // no limit is no wait_for
        trace!("{value} seen outside: {}", VAR.get()?);
        let task = create_task(work(me.clone(), "own task"));
        let value = await!(wait_for(task, secs(5)));
        trace!("{value} seen outside: {}", VAR.get()?);
        match try_await!(wait_for(work(me, "never"), secs(0))) {
            Err(e) if e.is_timeout() => {
                trace!("limit 0 {} cause {}", show(&e), e.cause().map(type_name_of).unwrap_or_default());
            }
            other => drop(other?),
        }
        let done = event_loop.create_future();
        done.set_result("done before")?;
        let first = await!(wait_for(&done, secs(0)));
        trace!("{first} {}", await!(wait_for(&done, secs(0))));
        trace!("no round passed: {}", await!(wait_for(done, secs(1))));
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
