//~ words: "move it into an `async fn` and call that with `.co_await()?`"
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
        let enter = || {
            async with Door as _ {} //~ here
        };
        enter();
    }
}

fn main() {}
