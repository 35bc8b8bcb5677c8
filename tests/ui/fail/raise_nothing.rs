//~ words: "write `raise!(e)`"
use coro_core::prelude::*;

async_fn! {
    async fn boil() {
        raise!(); //~ here
    }
}

fn main() {}
