//~ words: "cannot be `const`"
use coro_core::prelude::*;

async_fn! {
    const async fn boil() {} //~ here
}

fn main() {}
