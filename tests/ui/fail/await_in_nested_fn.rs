//~ words: "needs an `async fn`"
use coro_core::prelude::*;

async_fn! {
    async fn boil() {
        fn inner() {
            await!(sleep(secs(1))); //~ here
        }
        inner();
    }
}

fn main() {}
