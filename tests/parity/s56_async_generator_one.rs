//! An async generator of one value, stepped with `anext` and read with `async for`.

use crate::harness::{run, show, trace, type_of};
use coro_core::{StopAsyncIteration, anext, prelude::*};

async_fn! {
    async fn g<T>(x: T) yields T {
        yield!(x);
    }

    async fn main() {
        let mut agen = g(5);
        trace!("<class '{}'>", type_of(&agen));
        trace!("{}", anext(&mut agen)?);
        match anext(&mut agen) {
            Err(e) if e.is::<StopAsyncIteration>() => trace!("{}", show(&e)),
            other => drop(other?),
        }
        trace!("{}", agen.anext()?.map_or("default".to_owned(), |value| value.to_string()));
        async for value in g("again") {
            trace!("{value}");
        }
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
