//~ words: "write `await!(boil(3))`"
use coro_core::prelude::*;

async_fn! {
    async fn cook() {
        await boil(3); //~ here
    }
    async fn boil(egg: u32) -> u32 { egg }
}

fn main() {}
