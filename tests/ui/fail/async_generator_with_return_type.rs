//~ words: "leave `-> …` out"
use coro_core::prelude::*;

async_fn! {
    async fn eggs() yields u32 -> u32 { //~ here
        yield!(1);
    }
}

fn main() {}
