//~ words: "co_await"
use coro_core::prelude::*;

fn boil() {
    sleep(secs(1)).await; //~ here
}

fn main() {}
