//~ words: "expected `Result<u32, Error>`" "try wrapping the expression in `Ok`"
use coro_core::prelude::*;

async_fn! {
    async fn boil() -> Result<u32> {
        3 //~ here
    }
}

fn main() {}
