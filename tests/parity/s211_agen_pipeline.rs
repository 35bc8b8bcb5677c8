//! Chained async generators: closing the last one does not close those before it by itself.

use crate::harness::{run, trace};
use coro_core::prelude::*;

/// Traces what a `finally` would.
struct Finally(&'static str);

impl Drop for Finally {
    fn drop(&mut self) {
        trace!("{} closed", self.0);
    }
}

async_fn! {
    async fn source() yields u32 {
        let _finally = Finally("source");
        for i in 0..100 {
            await!(sleep(secs(1)));
            yield!(i);
        }
    }

    async fn double(upstream: impl AsyncIterator<Item = u32>) yields u32 {
        let _finally = Finally("double");
        async for i in upstream {
            yield!(2 * i);
        }
    }

    async fn main() {
        let mut first = source();
        {
            // Borrows `first`, and is closed at the end of the loop.
            async for value in double(&mut first) {
                trace!("{value}");
                if value == 4 {
                    break;
                }
            }
        }
        trace!("second is closed, first goes on: {}", first.anext()?.unwrap_or_default());
        first.aclose()?;
        let mut multiples = Vec::new();
        async for x in double(source()) {
            if x % 3 == 0 {
                multiples.push(x);
            }
        }
        trace!("{:?}", &multiples[..4]);
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
