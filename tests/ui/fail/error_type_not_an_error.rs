//~ words: "`String` cannot be raised" "std::error::Error"
use coro_core::prelude::*;

async_fn! {
    async fn boil() -> Result<u32, String> { //~ here
        Err("raw".to_owned())
    }
}

fn main() {}
