//~ words: "does not live long enough" "declared before the scope, not in it"
use coro_core::prelude::*;

async_fn! {
    async fn greet(name: &str) {
        println!("{name}");
    }
}

fn cook() -> Result<()> {
    TaskGroup::scope(|scope| {
        let name = String::from("Egg");
        scope.create_task(greet(&name)); //~ here
        Ok(())
    })
}

fn main() {}
