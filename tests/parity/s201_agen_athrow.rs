//! athrow: caught in the generator, its next yield is the result; uncaught, it comes out.

use crate::harness::{KeyError, OSError, run, show, trace};
use coro_core::{ValueError, prelude::*};

async_fn! {
    async fn worker() yields String {
        loop {
            match try_yield!("ready".to_owned()) {
                Err(e) if e.is::<KeyError>() => {
                    await!(sleep(secs(1)));
                    yield!(format!("caught {e}"));
                }
                other => other?,
            }
        }
    }

    async fn main() {
        let mut agen = worker();
        trace!("{}", agen.anext()?.unwrap_or_default());
        trace!("{}", agen.athrow(KeyError::new("k").into())?.unwrap_or_default());
        trace!("{}", agen.anext()?.unwrap_or_default());
        match agen.athrow(ValueError::new("v").into()) {
            Err(e) if e.is::<ValueError>() => trace!("out {}", show(&e)),
            other => drop(other?),
        }
        trace!("{}", agen.anext()?.unwrap_or_else(|| "finished".to_owned()));
        let mut fresh = worker();
        match fresh.athrow(OSError::new("fresh").into()) {
            Err(e) if e.is::<OSError>() => trace!("out {}", show(&e)),
            other => drop(other?),
        }
        fresh.aclose()?;
        trace!("aclose of a finished one is fine");
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
