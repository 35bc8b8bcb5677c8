//! Callbacks see the context of the moment they were registered, or the one they are given.

use crate::harness::{run, trace};
use coro_core::{Context, ContextVar, prelude::*};

static VAR: ContextVar<&str> = ContextVar::with_default("var", || "unset");

fn trace_var(what: &str) {
    trace!("{what} {}", VAR.get().unwrap_or("no value"));
}

async_fn! {
    async fn main() {
        let event_loop = get_running_loop()?;
        let future = event_loop.create_future();
        VAR.set("at registration");
        event_loop.call_soon(|| trace_var("call_soon"));
        event_loop.call_later(secs(1), || trace_var("call_later"));
        future.add_done_callback(|_| trace_var("done callback"));
        let other = Context::current().copy();
        other.run(|| VAR.set("other context"));
        event_loop.call_soon_in(&other, || trace_var("call_soon"));
        future.add_done_callback_in(&other, |_| trace_var("done callback"));
        VAR.set("later");
        future.set_result(())?;
        await!(sleep(secs(2)));
        trace_var("main");
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
