//! wait refuses an empty set, a coroutine, a bare future and an unknown return_when.

use crate::harness::{run, show, trace};
use coro_core::{ValueError, prelude::*, wait};

async_fn! {
    async fn main() {
        match try_await!(wait(Vec::<Task<()>>::new())) {
            Err(e) if e.is::<ValueError>() => trace!("{}", show(&e)),
            other => drop(other?),
        }
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
