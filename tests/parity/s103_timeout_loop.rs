//! One limit for many steps: the deadline is kept over a loop of short waits.

use crate::harness::{run, trace};
use coro_core::{prelude::*, timeout};

async_fn! {
    async fn poll() {
        loop {
            await!(sleep(millis(400)));
        }
    }

    async fn main() {
        let mut done = Vec::new();
        let steps = || {
            for i in 0..10 {
                sleep(millis(400)).co_await()?;
                done.push(i);
            }
            Ok(())
        };
        match timeout(millis(2_500), steps) {
            Err(e) if e.is_timeout() => trace!("steps {done:?}"),
            other => other?,
        }
        for limit in [1, 2] {
            match try_await!(wait_for(poll(), secs(limit))) {
                Err(e) if e.is_timeout() => trace!("limit {limit}"),
                other => other?,
            }
        }
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
