//~ words: "works in `async_fn!`" "`yields TYPE`"
use coro_core::prelude::*;

#[stackful]
async fn eggs() {
    yield!(3); //~ here, twice
}

fn main() {}
