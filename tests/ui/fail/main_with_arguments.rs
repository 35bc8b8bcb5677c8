//~ words: "the `main` function takes no arguments"

#[coro_core::main]
async fn main(eggs: u32) {} //~ here
