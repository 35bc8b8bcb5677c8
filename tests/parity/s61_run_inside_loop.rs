//! `run` refuses to start while a loop runs in the same thread.

use crate::harness::{run, show, trace};
use coro_core::{RuntimeError, prelude::*};

async_fn! {
    async fn inner() -> u32 {
        1
    }

    async fn main() {
        match run(inner()) {
            Err(e) if e.is::<RuntimeError>() => trace!("{}", show(&e)),
            other => drop(other?),
        }
        trace!("{}", await!(inner())); // the first one was closed when it was refused
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
