//~ words: "refutable pattern"
use coro_core::prelude::*;
struct Door;
impl AsyncContextManager for Door {
    type Value = Option<u32>;
    fn aenter(&mut self) -> Result<Option<u32>> {
        Ok(None)
    }
    fn aexit(&mut self, _: Option<&Error>) -> Result<bool> {
        Ok(false)
    }
}

async_fn! {
    async fn cook() {
        async with Door as Some(key) { //~ here
            println!("{key}");
        }
    }
}

fn main() {}
