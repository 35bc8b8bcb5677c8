//~ words: "real_clock" "seed"

#[coro_core::test(clock)] //~ here
async fn boils() {}

fn main() {}
