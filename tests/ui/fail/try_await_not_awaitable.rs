//~ words: "`String` cannot be awaited"
use coro_core::prelude::*;

async_fn! {
    async fn cook() {
        let _ = try_await!(String::new()); //~ here
    }
}

fn main() {}
