//~ words: "`#[stackful]` goes before an `async fn`"
use coro_core::prelude::*;

#[stackful]
struct Egg; //~ here

fn main() {}
