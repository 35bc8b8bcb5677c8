//! The awaited future completes in the very round of the limit: before or after the timer's callback.

use crate::harness::{block, run, show, trace, type_name_of};
use coro_core::{Future, current_task, prelude::*};

async_fn! {
    async fn attempt(name: &'static str, future: Future<&'static str>, limit: u64) {
        match try_await!(wait_for(future, secs(limit))) {
            Err(e) if e.is_timeout() => {
                trace!("{name} {} cause {}", show(&e), e.cause().map(type_name_of).unwrap_or_default());
            }
            value => trace!("{name} value {}", value?),
        }
        let requests = current_task().map(|me| me.cancelling()).unwrap_or_default();
        trace!("{name} requests left {requests}");
    }

    async fn a_round_before() -> &'static str {
        await!(sleep(secs(1)));
        "a round before"
    }

    async fn main() {
        let event_loop = get_running_loop()?;
        // The timer of the result is made first and runs first; the limit strikes in the same round.
        let future = event_loop.create_future();
        let settled = future.clone();
        event_loop.call_later(secs(1), move || settled.set_result("in time").expect("it is pending"));
        await!(attempt("result first:", future.clone(), 1));
        trace!("the future has {}", future.result()?);
        // The timer of the limit is made first: it cancels the future.
        let future = event_loop.create_future();
        let waiting = create_task(attempt("limit first:", future.clone(), 1));
        await!(sleep(secs(0)));
        event_loop.call_later(secs(1), move || trace!("still pending: {}", !future.done()));
        await!(waiting);
        // A step that blocks across both moments.
        let future = event_loop.create_future();
        let settled = future.clone();
        event_loop.call_later(secs(1), move || settled.set_result("earlier").expect("it is pending"));
        let waiting = create_task(attempt("blocked:", future, 2));
        await!(sleep(millis(500)));
        block(secs(5));
        await!(waiting);
        trace!("{}", await!(wait_for(a_round_before(), millis(1_001))));
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
