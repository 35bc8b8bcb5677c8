//! The repr of a timeout in its states, and what moving one that was left says.

use crate::harness::{run, show, trace};
use coro_core::{RuntimeError, Timeout, prelude::*};

async_fn! {
    async fn expires(cm: Timeout) {
        async with cm.clone() {
            let slept = try_await!(sleep(secs(5)));
            trace!("{cm:?}");
            slept?;
        }
    }

    async fn main() {
        let cm = Timeout::new(millis(1_500));
        trace!("{cm:?}");
        async with cm.clone() {
            trace!("{cm:?}");
        }
        trace!("{cm:?}");
        match cm.reschedule(None) {
            Err(e) if e.is::<RuntimeError>() => trace!("{}", show(&e)),
            other => other?,
        }
        async with Timeout::at(None) as cm {
            trace!("{cm:?}");
        }
        let cm = Timeout::new(secs(1));
        match try_await!(expires(cm.clone())) {
            Err(e) if e.is_timeout() => trace!("{cm:?}"),
            other => other?,
        }
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
