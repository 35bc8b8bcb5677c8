//~ words: "goes before `async fn main`"

#[coro_core::main]
async fn start() {} //~ here

fn main() {}
