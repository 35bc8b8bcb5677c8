//~ words: "expected `u32`, found `Result"
use coro_core::prelude::*;

async_fn! {
    async fn boil() -> u32 {
        Ok(3) //~ here
    }
}

fn main() {}
