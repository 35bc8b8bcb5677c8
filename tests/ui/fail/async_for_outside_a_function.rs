//~ words: "belongs in the body of an `async fn`"
use coro_core::prelude::*;

async_fn! {
    async for egg in eggs() {} //~ here
}

fn main() {}
