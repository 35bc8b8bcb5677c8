//! A generator left and still kept is closed when its owner closes it, here at the end of main.

use crate::harness::{run, trace};
use coro_core::prelude::*;

async_fn! {
    async fn numbers(name: &'static str) yields u32 {
        for i in 0..5 {
            let resumed = try_yield!(i);
            if resumed.is_err() {
                trace!("{name} finally starts");
                await!(sleep(secs(1)));
                trace!("{name} finally ends");
            }
            resumed?;
        }
    }

    async fn main() {
        let mut kept = numbers("kept");
        while let Some(i) = kept.anext()? {
            trace!("got {i}");
            if i == 1 {
                break;
            }
        }
        trace!("left the loop");
        await!(sleep(secs(2)));
        trace!("main ends");
        // No loop knows of it: asyncio closes it when the loop shuts down.
        kept.aclose()?;
    }
}

pub fn scenario() -> Result<()> {
    run(main())?;
    trace!("after run");
    Ok(())
}
