//~ words: "incorrect use of `await`"
use coro_core::prelude::*;

fn boil() {
    await!(sleep(secs(1))); //~ here
}

fn main() {}
