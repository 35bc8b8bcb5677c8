//~ words: "write `-> std::convert::Infallible`"
use coro_core::prelude::*;

async_fn! {
    async fn serve() -> ! { //~ here
        loop {}
    }
}

fn main() {}
