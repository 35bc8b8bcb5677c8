//! The same function called bare (a warning), run (output) and kept (a coroutine object).

use crate::harness::{run, trace};
use coro_core::prelude::*;

async_fn! {
    async fn main() {
        trace!("hello...");
        await!(sleep(secs(2)));
        trace!("...world");
    }
}

pub fn scenario() -> Result<()> {
    drop(main());
    run(main())?;
    let mut result = main();
    trace!("{result:?}");
    result.close()?;
    trace!("closed");
    Ok(())
}
