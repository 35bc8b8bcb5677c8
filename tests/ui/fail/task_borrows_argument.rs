//~ words: "`name` does not live long enough" "a child of a scope: `TaskGroup::scope`"
use coro_core::prelude::*;

async_fn! {
    async fn greet(name: &str) {
        println!("{name}");
    }
    async fn cook() {
        let name = String::from("Egg");
        create_task(greet(&name)); //~ here
    }
}

fn main() {}
