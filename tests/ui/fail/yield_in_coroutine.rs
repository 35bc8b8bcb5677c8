//~ words: "add `yields TYPE`"
use coro_core::prelude::*;

async_fn! {
    async fn eggs() {
        yield!(3); //~ here
    }
}

fn main() {}
