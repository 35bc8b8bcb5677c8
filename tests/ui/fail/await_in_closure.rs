//~ words: "use `.co_await()?` in a closure"
use coro_core::prelude::*;

async_fn! {
    async fn boil() {
        let wait = |n| await!(sleep(secs(n))); //~ here
        wait(1)?;
    }
}

fn main() {}
