//! `noop` is a valid coroutine; a function that yields gives an async generator.

use crate::harness::{run, trace, type_of_call};
use coro_core::prelude::*;

async_fn! {
    async fn noop() {}

    async fn generate(x: u32) yields u32 {
        yield!(x);
    }
}

pub fn scenario() -> Result<()> {
    trace!("noop gives {:?}", run(noop())?);
    let noop = type_of_call(noop);
    trace!("{} {}", noop == "Coroutine", noop == "AsyncGenerator");
    let generate = type_of_call(|| generate(1));
    trace!("{} {}", generate == "Coroutine", generate == "AsyncGenerator");
    Ok(())
}
