//~ words: "`async with` cannot enter `u32`" "implement `coro_core::AsyncContextManager`"
use coro_core::prelude::*;

async_fn! {
    async fn cook(door: u32) {
        async with door as open { //~ here
            println!("{open}");
        }
    }
}

fn main() {}
