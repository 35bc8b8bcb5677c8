//! What type a coroutine is, and what can be asked of one.

use crate::harness::{trace, type_of, type_of_call};
use coro_core::{FrameState, prelude::*};

async_fn! {
    async fn main() {}
}

/// `CORO_CREATED` and its like.
fn name_of(state: FrameState) -> String {
    format!("CORO_{state:?}").to_uppercase()
}

pub fn scenario() -> Result<()> {
    let iscoroutinefunction = type_of_call(main) == "Coroutine";
    trace!("{iscoroutinefunction} {iscoroutinefunction}");
    let mut coro = main();
    let iscoroutine = type_of(&coro) == "Coroutine";
    trace!("<class '{}'> {iscoroutine} {iscoroutine}", type_of(&coro));
    trace!("{} {} {:?}", name_of(coro.state()), coro.cr_running(), coro.cr_await());
    coro.close()?;
    trace!("{}", name_of(coro.state()));
    Ok(())
}
