//~ words: "`scope` escapes the closure body here"
use coro_core::prelude::*;

async_fn! {
    async fn boil() {}
}

fn cook() -> Result<()> {
    let mut kept = None;
    TaskGroup::scope(|scope| {
        kept = Some(scope.create_task(boil())); //~ here
        Ok(())
    })
}

fn main() {}
