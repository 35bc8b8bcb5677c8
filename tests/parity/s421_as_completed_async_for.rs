//! async for over as_completed yields the tasks themselves, in order of completion, already done.

use crate::harness::{run, show, trace};
use coro_core::{AnyFuture, ValueError, as_completed, isawaitable, prelude::*};

async_fn! {
    async fn work(delay: u64, name: &'static str) -> &'static str {
        await!(sleep(secs(delay)));
        if name == "bad" {
            raise!(ValueError::new("bad work"));
        }
        name
    }

    async fn main() {
        let tasks = [(3, "c"), (1, "a"), (2, "bad")].map(|(d, n)| (create_task(work(d, n)), n));
        let futures = || tasks.iter().map(|(task, _)| task.future());
        let known = |task: &AnyFuture| tasks.iter().find(|(own, _)| own.any().same(task)).map(|(_, n)| *n);
        async for task in as_completed(futures()) {
            trace!("known by its name: {} done: {}", known(&task).unwrap_or_default(), task.done());
            match try_await!(task) {
                Err(e) if e.is::<ValueError>() => trace!("error {}", show(&e)),
                name => trace!("result {}", name?),
            }
        }
        let mut again = Vec::new();
        async for task in as_completed(futures()) {
            again.push(task);
        }
        trace!("all done before: {} {}", again.len(), again.iter().all(|task| known(task).is_some()));
        let coro = work(1, "wrapped");
        async for task in as_completed([coro]) {
            let is_task = task.task_name().is_some();
            trace!("a coroutine comes as a task: {is_task} {}", await!(task));
        }
        async for _ in as_completed(Vec::<Task<()>>::new()) {
            trace!("never");
        }
        // An awaitable of a type of its own.
        for item in as_completed([create_task(work(1, "plain"))]) {
            trace!("plain iteration gives a coroutine: {} {}", isawaitable!(item), await!(item));
        }
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
