//~ words: "use of moved value"
use coro_core::prelude::*;

async_fn! {
    async fn boil() {}
    async fn cook() {
        let egg = boil();
        await!(egg);
        await!(egg); //~ here
    }
}

fn main() {}
