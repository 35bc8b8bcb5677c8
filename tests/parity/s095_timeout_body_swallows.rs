//! A body that swallows the timeout's cancel ends normally: expired, but no TimeoutError.

use crate::harness::{KeyError, run, show, trace};
use coro_core::{Timeout, current_task, prelude::*, timeout};

fn requests() -> usize {
    current_task().map(|me| me.cancelling()).unwrap_or_default()
}

fn turns_into_key_error() -> Result<()> {
    match sleep(secs(10)).co_await() {
        Err(e) if e.is_cancelled() => raise!(KeyError::new("instead")),
        other => other,
    }
}

async_fn! {
    async fn main() {
        let cm = Timeout::new(secs(1));
        async with cm.clone() {
            match try_await!(sleep(secs(10))) {
                Err(e) if e.is_cancelled() => trace!("swallowed; requests {}", requests()),
                other => other?,
            }
            await!(sleep(secs(1)));
            trace!("body ends");
        }
        trace!("expired {} requests {}", cm.expired(), requests());
        match timeout(secs(1), turns_into_key_error) {
            Err(e) if e.is::<KeyError>() => trace!("out {} requests {}", show(&e), requests()),
            other => other?,
        }
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
