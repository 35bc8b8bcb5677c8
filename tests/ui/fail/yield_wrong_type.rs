//~ words: "expected `u32`, found `&str`"
use coro_core::prelude::*;

async_fn! {
    fn eggs() yields u32 {
        yield!("egg"); //~ here
    }
}

fn main() {}
