//~ words: "there is no `async loop`: write `loop`, with `await!` in it"
use coro_core::prelude::*;

async_fn! {
    async fn boil() {
        async loop { //~ here
            await!(sleep(secs(1)));
        }
    }
}

fn main() {}
