//~ words: "`async with` cannot enter `coro_core::Lock<u32>`" "is implemented for `&coro_core::Lock<T>`"
use coro_core::prelude::*;

async_fn! {
    async fn cook(lock: Lock<u32>) {
        async with lock as eggs { //~ here
            println!("{eggs}");
        }
    }
}

fn main() {}
