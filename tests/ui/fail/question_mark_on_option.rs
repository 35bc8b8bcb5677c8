//~ words: "use `.ok_or(...)?`"
use coro_core::prelude::*;

async_fn! {
    async fn boil(egg: Option<u32>) -> u32 {
        egg? //~ here
    }
}

fn main() {}
