//~ words: "`receives` needs `yields TYPE` before it"
use coro_core::prelude::*;

async_fn! {
    fn echo() receives u32 {} //~ here
}

fn main() {}
