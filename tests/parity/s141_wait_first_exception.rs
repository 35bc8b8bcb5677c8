//! FIRST_EXCEPTION stops at an error, not at a result nor at a cancelled task.

use crate::harness::{run, show, trace};
use coro_core::{ReturnWhen, ValueError, prelude::*, wait};

async_fn! {
    async fn work(name: &'static str, delay: u64, fail: bool) -> &'static str {
        await!(sleep(secs(delay)));
        if fail {
            raise!(ValueError::new(name));
        }
        name
    }

    async fn main() {
        let tasks = [("a", 1, false), ("b", 5, false), ("c", 3, true), ("d", 4, false)]
            .map(|(name, delay, fail)| create_task(work(name, delay, fail)));
        let second = tasks[1].any_task();
        get_running_loop()?.call_later(secs(2), move || _ = second.cancel());
        let (done, _) = await!(wait(&tasks).return_when(ReturnWhen::FirstException));
        let of = |(name, task): (char, &Task<_>)| (name, done.iter().any(|d| d.same(task)), task.cancelled());
        trace!("{:?}", ['a', 'b', 'c', 'd'].into_iter().zip(&tasks).map(of).collect::<Vec<_>>());
        trace!("{}", tasks[2].exception()?.as_ref().map(show).unwrap_or_default());
        let (done, pending) = await!(wait([&tasks[0], &tasks[3]]).return_when(ReturnWhen::FirstException));
        trace!("no error: all {} {}", done.len(), pending.len());
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
