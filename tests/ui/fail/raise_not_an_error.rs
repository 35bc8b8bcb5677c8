//~ words: "`u32` cannot be raised" "to raise a text, write `raise!("
use coro_core::prelude::*;

async_fn! {
    async fn boil(egg: u32) {
        raise!(egg); //~ here
    }
}

fn main() {}
