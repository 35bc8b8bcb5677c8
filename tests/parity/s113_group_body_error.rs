//! An error of the body cancels the children; children's errors come first, the body's last.

use crate::harness::{OSError, run, show, trace};
use coro_core::{ValueError, prelude::*};

async_fn! {
    async fn child(how: &'static str) {
        match try_await!(sleep(secs(100))) {
            Err(e) if e.is_cancelled() => {
                trace!("{how} child cancelled");
                if how == "failing" {
                    raise!(OSError::new("child cleanup"));
                }
                raise!(e)
            }
            other => other?,
        }
    }

    async fn group(how: &'static str) {
        async with TaskGroup::new() as tg {
            tg.create_task(child(how));
            await!(sleep(secs(1)));
            raise!(ValueError::new("body"));
        }
    }

    async fn main() {
        for how in ["quiet", "failing"] {
            let Err(e) = try_await!(group(how)) else { continue };
            let group = e.downcast_ref::<ErrorGroup>().ok_or(e.clone())?;
            trace!("{} {:?}", show(&e), group.errors().iter().map(show).collect::<Vec<_>>());
        }
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
