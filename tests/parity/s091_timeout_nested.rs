//! Of two nested timeouts the one that is due raises, at its own level.

use crate::harness::{run, trace};
use coro_core::{Timeout, current_task, prelude::*};

async_fn! {
    async fn inner_block(inner: Timeout) {
        async with inner {
            await!(sleep(secs(10)));
        }
    }

    async fn outer_block(outer: Timeout, inner: Timeout) {
        async with outer.clone() {
            match try_await!(inner_block(inner)) {
                Err(e) if e.is_timeout() => trace!("inner raised outer expired: {}", outer.expired()),
                other => {
                    other?;
                    trace!("inner passed");
                }
            }
            await!(sleep(millis(1_500)));
            trace!("rest of outer body done");
        }
    }

    async fn nest(outer: u64, inner: u64) {
        let (outer, inner) = (Timeout::new(secs(outer)), Timeout::new(secs(inner)));
        match try_await!(outer_block(outer, inner.clone())) {
            Err(e) if e.is_timeout() => trace!("outer raised inner expired: {}", inner.expired()),
            other => other?,
        }
    }

    async fn main() {
        await!(nest(5, 1));
        await!(nest(1, 5));
        await!(nest(2, 1));
        trace!("requests {}", current_task().map(|me| me.cancelling()).unwrap_or_default());
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
