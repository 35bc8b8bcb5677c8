//~ words: "debug" "stack_size"

#[coro_core::main(stak_size = 65536)] //~ here
async fn main() {}
