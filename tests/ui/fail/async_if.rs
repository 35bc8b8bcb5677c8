//~ words: "there is no `async if`: write `if`, with `await!` in it"
use coro_core::prelude::*;

async_fn! {
    async fn boil() {
        async if true { //~ here
            await!(sleep(secs(1)));
        }
    }
}

fn main() {}
