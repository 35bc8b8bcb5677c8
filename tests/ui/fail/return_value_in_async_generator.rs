//~ words: "write `return;`"
use coro_core::prelude::*;

async_fn! {
    async fn eggs() yields u32 {
        yield!(1);
        return 2; //~ here
    }
}

fn main() {}
