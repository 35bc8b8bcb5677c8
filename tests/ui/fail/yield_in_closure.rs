//~ words: "a generator yields from its own body; write a loop"
use coro_core::prelude::*;

async_fn! {
    fn eggs() yields u32 {
        (0..3).for_each(|egg| yield!(egg)); //~ here
    }
}

fn main() {}
