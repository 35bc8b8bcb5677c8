//~ words: "write `.await` there"
use coro_core::prelude::*;

async_fn! {
    async fn boil() {
        let wait = async { await!(sleep(secs(1))) }; //~ here
        await!(wait);
    }
}

fn main() {}
