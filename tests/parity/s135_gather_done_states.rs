//! A gather that is done cannot be cancelled; the one that failed keeps its error.

use crate::harness::{KeyError, run, show, trace};
use coro_core::prelude::*;

async_fn! {
    async fn fails() {
        raise!(KeyError::new("k"))
    }

    async fn slow() -> &'static str {
        await!(sleep(secs(1)));
        "x"
    }

    async fn main() {
        let gathered = gather([slow()]);
        trace!("{:?} {} {:?}", await!(&gathered), gathered.cancel(), gathered.result()?);
        let gathered = gather((fails(), sleep(secs(5))));
        match try_await!(&gathered) {
            Err(e) if e.is::<KeyError>() => {
                let exception = gathered.exception()?.ok_or(e)?;
                trace!("{} {}", gathered.cancel(), show(&exception));
            }
            other => drop(other?),
        }
        let gathered = gather([sleep(secs(5))]);
        trace!("{gathered:?}");
        trace!("{}", gathered.cancel());
        match try_await!(gathered) {
            Err(e) if e.is_cancelled() => trace!("cancelled"),
            other => drop(other?),
        }
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
