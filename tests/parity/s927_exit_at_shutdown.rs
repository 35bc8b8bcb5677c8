//! SystemExit while `run` ends: in main's own cleanup, in a task cancelled by `run`, beside errors.

use crate::harness::{run, show, trace};
use coro_core::{SystemExit, TaskBuilder, ValueError, current_task, prelude::*};

/// A name, how long its cleanup takes, and what it raises then.
type Other = (&'static str, u64, Option<Error>);

async_fn! {
    async fn sleeper(name: &'static str, delay: u64, error: Option<Error>) {
        let slept = try_await!(sleep(secs(100)));
        await!(sleep(secs(delay)));
        trace!("{name} cleaned up");
        error.map_or(Ok(()), Err)?;
        slept?;
    }

    async fn main_exits(others: Vec<Other>) -> &'static str {
        start(others);
        await!(sleep(secs(1)));
        raise!(SystemExit(1));
    }

    async fn main_ends(others: Vec<Other>) -> &'static str {
        start(others);
        await!(sleep(secs(1)));
        "result of main"
    }

    async fn main_waits(cleanup: u64, error: Option<Error>, others: Vec<Other>) -> &'static str {
        if let Some(me) = current_task() {
            me.set_name("main");
        }
        start(others);
        create_task(exits());
        let slept = try_await!(sleep(secs(100)));
        await!(sleep(secs(cleanup)));
        trace!("main cleaned up");
        error.map_or(Ok(()), Err)?;
        slept.map(|()| "not reached")?
    }

    async fn exits() {
        await!(sleep(secs(1)));
        raise!(SystemExit(2));
    }
}

fn start(others: Vec<Other>) {
    for (name, delay, error) in others {
        TaskBuilder::new().name(name).create(sleeper(name, delay, error));
    }
}

fn attempt<A: Awaitable<Output = &'static str>>(main: A) {
    match run(main) {
        Ok(value) => trace!("{value}"),
        Err(e) => trace!("out of run: {}", show(&e)),
    }
}

fn exit(code: i32) -> Option<Error> {
    Some(SystemExit(code).into())
}

fn value_error(text: &'static str) -> Option<Error> {
    Some(ValueError::new(text).into())
}

pub fn scenario() -> Result<()> {
    attempt(main_exits(vec![("a", 1, None)]));
    attempt(main_ends(vec![("a", 1, exit(3))]));
    attempt(main_ends(vec![("a", 1, value_error("of a"))]));
    attempt(main_waits(2, None, vec![("a", 1, None)]));
    attempt(main_waits(1, None, vec![("a", 2, None)]));
    attempt(main_waits(1, value_error("of main"), vec![]));
    attempt(main_waits(1, exit(5), vec![]));
    attempt(main_waits(1, None, vec![("a", 2, exit(6))]));
    Ok(())
}
