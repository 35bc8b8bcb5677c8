//~ words: "cannot be awaited"
use coro_core::prelude::*;

async_fn! {
    async fn cook() {
        await!(gather((1..=4).map(|egg| egg + 1))); //~ here
    }
}

fn main() {}
