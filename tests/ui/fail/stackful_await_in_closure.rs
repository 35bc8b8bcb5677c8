//~ words: "use `.co_await()?` in a closure"
use coro_core::prelude::*;

#[stackful]
async fn boil() {
    let wait = |n| sleep(secs(n)).await; //~ here
    wait(1);
}

fn main() {}
