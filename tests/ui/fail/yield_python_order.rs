//~ words: "write `yield!(egg);`"
use coro_core::prelude::*;

async_fn! {
    fn eggs() yields u32 {
        let egg = 1;
        yield egg; //~ here
    }
}

fn main() {}
