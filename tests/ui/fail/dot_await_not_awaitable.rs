//~ words: "co_await"
use coro_core::prelude::*;

#[stackful]
async fn cook() {
    5_u32.await; //~ here
}

fn main() {}
