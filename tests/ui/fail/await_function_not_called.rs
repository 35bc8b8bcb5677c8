//~ words: "cannot be awaited" "use parentheses to call this function: `boil()`"
use coro_core::prelude::*;

async_fn! {
    async fn boil() {}
    async fn cook() {
        await!(boil); //~ here
    }
}

fn main() {}
