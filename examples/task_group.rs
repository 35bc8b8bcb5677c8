//! `TaskGroup`: the block ends when its last task has ended, and an error cancels the others.
//!
//! ```sh
//! cargo run --example task_group
//! ```
//! ```text
//! all are created
//! [Some("data 1"), Some("data 2"), Some("data 3")]
//! borrowed: {1: "data 1", 2: "data 2"}
//! cancelled: 60 s of work
//! unhandled errors in a TaskGroup (1 sub-exception)
//! because: the disk is full
//! ```
use coro_core::prelude::*;
use std::collections::BTreeMap;

async_fn! {
    async fn fetch_data(id: u64) -> String {
        await!(sleep(millis(100 * id)));
        format!("data {id}")
    }

    async fn fetch_into(id: u64, slot: &mut String) {
        *slot = await!(fetch_data(id));
    }

    async fn work() {
        if let Err(error) = try_await!(sleep(secs(60))) {
            println!("{error}: 60 s of work");
            raise!(error);
        }
    }

    async fn fail() {
        await!(sleep(millis(100)));
        raise!("the disk is full");
    }

    async fn program() {
        let mut tasks = Vec::new();
        async with TaskGroup::new() as group {
            tasks.extend((1..=3).map(|id| group.create_task(fetch_data(id))));
            println!("all are created");
        }
        println!("{:?}", tasks.iter().map(|task| task.result().ok()).collect::<Vec<_>>());

        // The tasks of a scope may borrow from the function around it, and write to it.
        let mut found = BTreeMap::from([(1, String::new()), (2, String::new())]);
        TaskGroup::scope(|group| {
            for (&id, data) in &mut found {
                group.create_task(fetch_into(id, data));
            }
            Ok(())
        })?;
        println!("borrowed: {found:?}");

        let failure = TaskGroup::scope(|group| {
            group.create_task(work());
            group.create_task(fail());
            Ok(())
        });
        if let Err(error) = failure {
            println!("{error}");
            for error in error.downcast_ref::<ErrorGroup>().into_iter().flat_map(ErrorGroup::errors) {
                println!("because: {error}");
            }
        }
    }
}

fn main() -> Result<()> {
    coro_core::run(program())
}
