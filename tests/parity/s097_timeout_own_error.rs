//! An error of the body passes a timeout unchanged, also a TimeoutError of its own.

use crate::harness::{run, show, trace};
use coro_core::{Cancelled, Timeout, ValueError, prelude::*};

/// A TimeoutError of one's own.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct TimeoutError(&'static str);

async_fn! {
    async fn raises(cm: Timeout, exc: Error) {
        async with cm {
            await!(sleep(secs(1)));
            raise!(exc.clone());
        }
    }

    async fn main() {
        let own = [
            Error::new(ValueError::new("mine")),
            Error::new(TimeoutError("mine too")),
            Error::new(Cancelled::with_message("fake")),
        ];
        for exc in own {
            let cm = Timeout::new(secs(5));
            let Err(got) = try_await!(raises(cm.clone(), exc.clone())) else { continue };
            trace!("{} {} {}", show(&got), got.same(&exc), cm.expired());
        }
        await!(sleep(secs(10)));
        trace!("the timers are gone");
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
