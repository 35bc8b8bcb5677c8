//! A task that awaits itself is told so; a future of another loop is refused.

use crate::harness::{run, show, trace};
use coro_core::{Awaited, EventLoop, RuntimeError, ValueError, current_task, prelude::*, suspend};

async_fn! {
    async fn main() {
        let Some(me) = current_task() else { return };
        match suspend(Awaited::Future(me.any())) {
            Err(e) if e.is::<RuntimeError>() => trace!("{}", &show(&e)[..38]),
            other => drop(other?),
        }
        let other = EventLoop::new()?;
        let future = other.create_future::<()>();
        match try_await!(&future) {
            Err(e) if e.is::<RuntimeError>() => trace!("{}", e.to_string().contains("attached to a different loop")),
            other => other?,
        }
        match try_await!(gather([future, get_running_loop()?.create_future()])) {
            Err(e) if e.is::<ValueError>() => trace!("{}", e.type_name()),
            other => drop(other?),
        }
        other.close()?;
        trace!("main ends");
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
