//~ words: "`x` used here but it isn't initialized" "consider assigning a value"
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
        let x;
        async with Door as key { //~ here
            x = key; //~ here
        }
        println!("{x:?}");
    }
}

fn main() {}
