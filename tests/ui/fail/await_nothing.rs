//~ words: "write `await!(…)`"
use coro_core::prelude::*;

async_fn! {
    async fn cook() {
        await!(); //~ here
    }
}

fn main() {}
