//~ words: "refutable pattern"
use coro_core::prelude::*;

async_fn! {
    async fn eggs() yields Option<u32> { yield!(None); }
    async fn cook() {
        async for Some(egg) in eggs() { //~ here
            println!("{egg}");
        }
    }
}

fn main() {}
