//~ words: "write `async fn boil`"
use coro_core::prelude::*;

#[stackful]
fn boil() {} //~ here

fn main() {}
