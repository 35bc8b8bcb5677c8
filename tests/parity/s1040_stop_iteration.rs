//! `StopIteration` ends no coroutine and no future: it comes as the cause of a `RuntimeError`. `StopAsyncIteration` passes.

use crate::harness::{run, show, trace, type_name_of};
use coro_core::{Future, StopAsyncIteration, StopIteration, prelude::*};

async_fn! {
    async fn stops(error: Error) {
        raise!(error);
    }

    async fn through(error: Error) {
        await!(stops(error));
    }

    async fn main() {
        for error in [Error::new(StopIteration), Error::new(StopAsyncIteration)] {
            tell("await", stops(error.clone()));
            tell("task", create_task(stops(error.clone())));
            tell("gather", gather([stops(error.clone())]));
            tell("wait_for", wait_for(stops(error.clone()), secs(1)));
            tell("nested", through(error));
        }
        let future = Future::<()>::new();
        future.set_exception(StopIteration)?;
        trace!("done {}", if future.done() { "True" } else { "False" });
        tell("future", future);
        if coro_core::generator(|_: &coro_core::Yielder<()>| Ok(())).next().is_none() {
            trace!("next raises it");
        }
    }
}

fn tell<T>(what: &str, awaitable: impl Awaitable<Output = T>) {
    if let Err(error) = awaitable.co_await() {
        let cause = error.cause().map_or("NoneType", type_name_of);
        trace!("{what} {} from {cause}", show(&error));
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
