//~ words: "cannot be gathered" "pass an iterator"
use coro_core::prelude::*;

async_fn! {
    async fn boil() {}
    async fn cook() {
        await!(gather(boil())); //~ here
    }
}

fn main() {}
