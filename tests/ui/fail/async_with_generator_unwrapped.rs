//~ words: "`async with` cannot enter" "`context_manager(..)`"
use coro_core::prelude::*;

async_fn! {
    async fn kitchen() yields u32 { yield!(1); }
    async fn cook() {
        async with kitchen() as hob { //~ here
            println!("{hob}");
        }
    }
}

fn main() {}
