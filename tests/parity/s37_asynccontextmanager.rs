//! A generator function as an async context manager, with sleeps on both sides.

use crate::harness::{dict, run, trace};
use coro_core::prelude::*;

dict!(Database { driver: &'static str });

async_fn! {
    async fn connection() yields Database {
        trace!("Setting up connection");
        await!(sleep(secs(1)));
        yield!(Database { driver: "sqlite" });
        await!(sleep(secs(1)));
        trace!("Shutting down");
    }

    async fn main() {
        async with context_manager(connection()) as db {
            trace!("{db:?} is ready");
        }
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
