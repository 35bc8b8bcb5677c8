//~ words: "add `yields TYPE`"
use coro_core::prelude::*;

async_fn! {
    fn eggs() {
        yield!(3); //~ here
    }
}

fn main() {}
