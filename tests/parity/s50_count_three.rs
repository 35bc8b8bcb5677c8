//! Three counters side by side take one second together.

use crate::harness::{now, run, trace};
use coro_core::prelude::*;

async_fn! {
    async fn count() {
        trace!("One");
        await!(sleep(secs(1)));
        trace!("Two");
    }

    async fn main() {
        await!(gather((count(), count(), count())));
    }
}

pub fn scenario() -> Result<()> {
    let s = now();
    run(main())?;
    trace!("executed in {:0.2} seconds.", now() - s);
    Ok(())
}
