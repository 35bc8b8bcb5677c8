//! Two delays awaited one after the other add up.

use crate::harness::{run, trace};
use coro_core::prelude::*;

async_fn! {
    async fn say_after(delay: u64, what: &str) {
        await!(sleep(secs(delay)));
        trace!("{what}");
    }

    async fn main() {
        trace!("started");
        await!(say_after(1, "hello"));
        await!(say_after(2, "world"));
        trace!("finished");
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
