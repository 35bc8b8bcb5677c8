//~ words: "cannot be `extern`" "call it from an ordinary `extern` function"
use coro_core::prelude::*;

async_fn! {
    async extern "C" fn boil() {} //~ here
}

fn main() {}
