//~ words: "`yields` needs a type: write `yields u32`"
use coro_core::prelude::*;

async_fn! {
    fn eggs() yields { //~ here
        yield!(3);
    }
}

fn main() {}
