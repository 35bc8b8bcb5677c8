//! SystemExit in a group, in gather, in what is awaited: the group raises it as it is.

use crate::harness::{repr, run, show, trace};
use coro_core::{SystemExit, ValueError, prelude::*};
use std::cell::RefCell;
use std::fmt::Debug;
use std::rc::Rc;

type Kept = Rc<RefCell<Option<Task<()>>>>;

/// What Python's `finally` does with a line.
fn finally<T>(result: Result<T>, say: impl FnOnce()) -> Result<T> {
    say();
    result
}

/// What Python's `except BaseException` does with a line and a `raise`.
fn seen<T>(what: &str, result: Result<T>) -> Result<T> {
    result.inspect_err(|e| trace!("{what} {}", show(e)))
}

async_fn! {
    async fn exits(delay: u64, code: i32) {
        await!(sleep(secs(delay)));
        raise!(SystemExit(code));
    }

    async fn fails(delay: u64) {
        finally(try_await!(sleep(secs(delay))), || trace!("fails ends"))?;
        raise!(ValueError::new("v"));
    }

    async fn cleans(name: &'static str) {
        finally(try_await!(sleep(secs(100))), || trace!("{name} cancelled"))?;
    }

    async fn group_of_a_child(kept: Kept) {
        async with TaskGroup::new() as tg {
            tg.create_task(cleans("sibling"));
            *kept.borrow_mut() = Some(tg.create_task(exits(1, 5)));
            finally(try_await!(sleep(secs(100))), || trace!("body cancelled"))?;
        }
    }

    async fn grouped(kept: Kept) {
        seen("group raised", try_await!(group_of_a_child(kept)))?;
    }

    async fn group_of_a_body() {
        async with TaskGroup::new() as tg {
            tg.create_task(cleans("child"));
            await!(sleep(secs(1)));
            raise!(SystemExit(6));
        }
    }

    async fn from_body() {
        seen("group raised", try_await!(group_of_a_body()))?;
    }

    async fn with_errors() {
        async with TaskGroup::new() as tg {
            tg.create_task(fails(1));
            tg.create_task(exits(2, 7));
            await!(sleep(millis(1_500)));
        }
    }

    async fn late_exit() {
        let slept = try_await!(sleep(secs(100)));
        slept.map_err(|_| SystemExit(8))?;
    }

    async fn group_of_cleanup() {
        async with TaskGroup::new() as tg {
            tg.create_task(late_exit());
            tg.create_task(fails(1));
        }
    }

    async fn in_cleanup() {
        seen("group raised", try_await!(group_of_cleanup()))?;
    }

    async fn gathered() {
        let results = try_await!(gather_return_exceptions((exits(1, 9), cleans("gathered"))));
        drop(finally(results, || trace!("gather left"))?);
    }

    async fn awaited() {
        let task = create_task(exits(1, 10));
        seen("awaited:", try_await!(task))?;
    }
}

fn attempt<A: Awaitable<Output: Debug>>(main: A) {
    match run(main) {
        Ok(value) => trace!("{value:?}"),
        Err(e) => trace!("out of run: {}", show(&e)),
    }
}

pub fn scenario() -> Result<()> {
    let kept = Kept::default();
    attempt(grouped(Rc::clone(&kept)));
    let exception = kept.take().map(|task| task.exception()).transpose()?.flatten();
    trace!("{}", exception.map_or_else(String::new, |e| repr(&e)));
    attempt(from_body());
    attempt(with_errors());
    attempt(in_cleanup());
    attempt(gathered());
    attempt(awaited());
    Ok(())
}
