//! Several tasks await one future; each gets the same result, or the same error.

use crate::harness::{run, show, trace};
use coro_core::{Future, prelude::*};

#[derive(Debug, thiserror::Error)]
#[error("{0:?}")]
struct KeyError(&'static str);

async_fn! {
    async fn wait_for_it(name: char, future: Future<&'static str>) {
        match try_await!(future) {
            Ok(value) => trace!("{name} got {value}"),
            Err(e) if e.is::<KeyError>() => trace!("{name} got {}", show(&e)),
            Err(e) => raise!(e),
        }
    }

    async fn main() {
        let event_loop = get_running_loop()?;
        let future = event_loop.create_future();
        let settled = future.clone();
        event_loop.call_later(secs(1), move || settled.set_result("value").expect("it is pending"));
        await!(gather("abc".chars().map(|n| wait_for_it(n, future.clone()))));
        trace!("again {}", await!(&future));
        let future = event_loop.create_future();
        let settled = future.clone();
        event_loop.call_later(secs(1), move || settled.set_exception(KeyError("missing")).expect("it is pending"));
        await!(gather("abc".chars().map(|n| wait_for_it(n, future.clone()))));
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
