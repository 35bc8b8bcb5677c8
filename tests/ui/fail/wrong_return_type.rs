//~ words: "expected `u32`, found `&str`"
use coro_core::prelude::*;

async_fn! {
    async fn boil() -> u32 {
        "boiled" //~ here
    }
}

fn main() {}
