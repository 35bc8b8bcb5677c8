//~ words: "write `async for x in g { yield!(x); }`"
use coro_core::prelude::*;

async_fn! {
    fn some() yields u32 { yield!(1); }
    async fn more() yields u32 {
        yield_from!(some()); //~ here
    }
}

fn main() {}
