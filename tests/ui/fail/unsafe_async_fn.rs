//~ words: "cannot be `unsafe`" "write an `unsafe { }` block within it"
use coro_core::prelude::*;

async_fn! {
    async unsafe fn boil() {} //~ here
}

fn main() {}
