//~ words: "cannot be sent between threads safely"
use coro_core::prelude::*;

async_fn! {
    async fn boil() {}
    async fn cook() {
        let task = create_task(boil());
        std::thread::spawn(move || task.cancel()); //~ here, twice
    }
}

fn main() {}
