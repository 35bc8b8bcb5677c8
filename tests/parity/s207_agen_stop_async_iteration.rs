//! StopAsyncIteration or StopIteration raised in the body of an async generator are RuntimeErrors.

use crate::harness::{run, show, trace};
use coro_core::{StopAsyncIteration, StopIteration, ValueError, prelude::*};

async_fn! {
    async fn raises(exc: Error) yields u32 {
        yield!(1);
        raise!(exc)
    }

    async fn main() {
        for exc in [StopAsyncIteration.into(), StopIteration.into(), ValueError::new("v").into()] {
            let mut agen = raises(exc);
            trace!("{}", agen.anext()?.unwrap_or_default());
            let Err(got) = agen.anext() else { continue };
            trace!("{} cause {}", show(&got), got.cause().map_or_else(|| "None".to_owned(), show));
            trace!("{}", agen.anext()?.map_or_else(|| "finished".to_owned(), |value| value.to_string()));
        }
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
