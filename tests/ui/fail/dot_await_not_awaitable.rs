//~ words: "`u32` is not a future" "coro_core::Awaitable"
use coro_core::prelude::*;

#[stackful]
async fn cook() {
    5_u32.await; //~ here
}

fn main() {}
