//~ words: "`yields` comes before the return type"
use coro_core::prelude::*;

async_fn! {
    fn eggs() -> u32 yields u32 { //~ here
        yield!(1);
        2
    }
}

fn main() {}
