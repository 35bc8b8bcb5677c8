//~ words: "expected `u32`, found `()`"
use coro_core::prelude::*;

async_fn! {
    async fn cook(lock: &Lock<u32>) -> u32 {
        async with lock as eggs { return *eggs; } //~ here
    }
}

fn main() {}
