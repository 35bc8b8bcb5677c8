//~ words: "lifetime may not live long enough"
use coro_core::prelude::*;

async_fn! {
    async fn boil() {}
}

fn cook() -> Result<()> {
    let task = TaskGroup::scope(|scope| Ok(scope.create_task(boil())))?; //~ here
    drop(task);
    Ok(())
}

fn main() {}
