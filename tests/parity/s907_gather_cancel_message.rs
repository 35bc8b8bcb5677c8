//! A cancelled gather raises the cancellation of its last child, with the message, if that was cancelled.

use crate::harness::{args, run, trace};
use coro_core::{OnceFuture, gather_return_exceptions, prelude::*};

async_fn! {
    async fn work(delay: u64) {
        await!(sleep(secs(delay)));
    }

    async fn cancelled<T: 'static>(gathered: OnceFuture<T>) {
        await!(sleep(secs(1)));
        gathered.cancel_with("why");
        match try_await!(gathered) {
            Err(e) if e.is_cancelled() => trace!("{}", args(&e)),
            other => drop(other?),
        }
    }

    async fn main() {
        for last in [5, 0] {
            await!(cancelled(gather_return_exceptions([work(5), work(last)])));
            await!(cancelled(gather([work(5), work(last)])));
        }
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
