//! An error comes up at its turn only; the rest can still be read.

use crate::harness::{run, show, trace};
use coro_core::{ValueError, as_completed, prelude::*};

async_fn! {
    async fn work(name: &'static str, delay: u64) -> &'static str {
        await!(sleep(secs(delay)));
        if name == "b" {
            raise!(ValueError::new("from b"));
        }
        name
    }

    async fn main() {
        for nearest in as_completed([work("a", 3), work("b", 1), work("c", 2)]) {
            match try_await!(nearest) {
                Err(e) if e.is::<ValueError>() => trace!("{}", show(&e)),
                name => trace!("{}", name?),
            }
        }
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
