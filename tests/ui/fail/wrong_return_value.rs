//~ words: "expected `u32`, found `&str`"
use coro_core::prelude::*;

async_fn! {
    async fn boil(raw: bool) -> u32 {
        if raw {
            return "raw"; //~ here
        }
        3
    }
}

fn main() {}
