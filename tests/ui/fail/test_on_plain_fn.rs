//~ words: "write `async fn boils`"

#[coro_core::test]
fn boils() {} //~ here

fn main() {}
