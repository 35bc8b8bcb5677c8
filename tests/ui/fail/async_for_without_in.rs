//~ words: "`async for PATTERN in EXPRESSION { … }`"
use coro_core::prelude::*;

async_fn! {
    async fn cook() {
        async for egg of eggs() { //~ here
        }
    }
}

fn main() {}
