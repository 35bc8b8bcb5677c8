//~ words: "`async for` cannot go over `Vec<u32>`" "use an ordinary `for`"
use coro_core::prelude::*;

async_fn! {
    async fn cook(eggs: Vec<u32>) {
        async for egg in eggs { //~ here
            println!("{egg}");
        }
    }
}

fn main() {}
