//~ words: "there is no `async while`: write `while`, with `await!` in it"
use coro_core::prelude::*;

async_fn! {
    async fn boil() {
        async while true { //~ here
            await!(sleep(secs(1)));
        }
    }
}

fn main() {}
