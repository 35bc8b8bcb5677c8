//~ words: "u32"
use coro_core::prelude::*;

async_fn! {
    async fn boil(egg: u32) {
        raise!(egg); //~ here
    }
}

fn main() {}
