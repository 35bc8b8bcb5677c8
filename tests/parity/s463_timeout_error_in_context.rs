//! An error raised while a timeout strikes comes out itself, with the TimeoutError in its context.

use crate::harness::{run, trace, type_name_of};
use coro_core::{ValueError, current_task, prelude::*, timeout};

fn chain(exc: &Error) -> String {
    let chain = std::iter::successors(Some(exc), |exc| exc.cause());
    chain.map(type_name_of).collect::<Vec<_>>().join(" <- ")
}

async_fn! {
    async fn cleanup_fails() {
        let _interrupted = try_await!(sleep(secs(100)));
        raise!(ValueError::new("cleanup"))
    }

    async fn group() {
        async with TaskGroup::new() as tg {
            tg.create_task(cleanup_fails());
            await!(sleep(secs(100)));
        }
    }

    async fn main() {
        match timeout(secs(1), || cleanup_fails().co_await()) {
            Err(e) if e.is::<ValueError>() => trace!("{}", chain(&e)),
            other => other?,
        }
        match timeout(secs(1), || group().co_await()) {
            Err(e) if e.is::<ErrorGroup>() => {
                let group = e.downcast_ref::<ErrorGroup>().ok_or(e.clone())?;
                let inside: Vec<String> = group.errors().iter().map(chain).collect();
                trace!("group {} | inside: {inside:?}", chain(&e));
            }
            other => other?,
        }
        match timeout(secs(1), || -> Result<()> { raise!(ValueError::new("in time")) }) {
            Err(e) if e.is::<ValueError>() => trace!("{}", chain(&e)),
            other => other?,
        }
        match timeout(secs(1), || sleep(secs(100)).co_await()) {
            Err(e) if e.is_timeout() => trace!("{}", chain(&e)),
            other => other?,
        }
        trace!("requests left {}", current_task().map(|me| me.cancelling()).unwrap_or_default());
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
