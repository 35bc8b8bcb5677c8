//~ words: "`{integer}` cannot be awaited" "coroutine, task, future"
use coro_core::prelude::*;

async_fn! {
    async fn cook() {
        await!(5); //~ here
    }
}

fn main() {}
