//~ words: "missing lifetime specifier"
use coro_core::prelude::*;

async_fn! {
    async fn name() -> &str { //~ here
        "Egg"
    }
}

fn main() {}
