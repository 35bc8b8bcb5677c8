//~ words: "needs an `async fn`" "`co_await()?`"
use coro_core::prelude::*;

async_fn! {
    fn boil() {
        await!(sleep(secs(1))); //~ here
    }
}

fn main() {}
