//~ words: "name the type, or return a `Box<dyn Trait>`"
use coro_core::prelude::*;

async_fn! {
    async fn eggs() -> impl Iterator<Item = u32> { //~ here
        0..3
    }
}

fn main() {}
