//! `await!` suspends `g` until `f` is ready, while others run.

use crate::harness::{run, trace};
use coro_core::prelude::*;

async_fn! {
    async fn f() -> &'static str {
        await!(sleep(secs(1)));
        "f is ready"
    }

    async fn g() -> &'static str {
        trace!("g waits");
        let r = await!(f());
        trace!("g goes on");
        r
    }

    async fn meanwhile() {
        trace!("something else runs");
    }

    async fn main() {
        let results = await!(gather((g(), meanwhile())));
        trace!("{results:?}");
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
