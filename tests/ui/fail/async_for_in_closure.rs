//~ words: "write `while let Some(x) = source.anext()? { … }` in a closure"
use coro_core::prelude::*;

async_fn! {
    async fn eggs() yields u32 { yield!(1); }
    async fn cook() {
        let count = || {
            async for _ in eggs() {} //~ here
        };
        count();
    }
}

fn main() {}
