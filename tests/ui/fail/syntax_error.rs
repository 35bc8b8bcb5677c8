//~ words: "expected expression, found `;`"
use coro_core::prelude::*;

async_fn! {
    async fn boil() {
        let egg = ; //~ here
        println!("{egg}");
    }
}

fn main() {}
