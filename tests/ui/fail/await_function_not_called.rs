//~ words: "cannot be awaited" "call"
use coro_core::prelude::*;

async_fn! {
    async fn boil() {}
    async fn cook() {
        await!(boil); //~ here
    }
}

fn main() {}
