//~ words: "`name` escapes the function body here"
use coro_core::prelude::*;

async_fn! {
    async fn greet(name: &str) {
        println!("{name}");
    }
    async fn cook(name: &str) {
        create_task(greet(name)); //~ here
    }
}

fn main() {}
