//! What get_stack and print_stack tell of a task: before it starts, while it waits, from within, and when it has ended.

use crate::harness::{optional, run, trace};
use coro_core::{AnyTask, TaskBuilder, TaskStack, ValueError, current_task, prelude::*, wait};

/// The functions of a stack, and what is printed, without the places.
fn stack(stack: TaskStack) {
    let text = stack.to_string();
    let lines = text.lines().filter_map(|line| match line.strip_prefix("  File \"") {
        Some(place) => place.rsplit_once(" in ").map(|(_, name)| format!("  in {name}")),
        None => Some(line.to_owned()),
    });
    let lines: Vec<String> = lines.collect();
    let names: Vec<&str> = stack.iter().filter_map(|frame| frame.name()).collect();
    trace!("{names:?} {}", lines.join("\n"));
}

fn me() -> AnyTask {
    current_task().expect("this runs in a task")
}

async_fn! {
    async fn inner() {
        await!(sleep(secs(5)));
    }

    async fn outer() {
        await!(inner());
    }

    async fn waits_for(task: coro_core::Future<()>) {
        await!(task);
    }

    async fn look() {
        stack(me().get_stack());
    }

    async fn within() {
        await!(look());
    }

    async fn value() {}

    async fn fails(error: ValueError) {
        raise!(error);
    }

    async fn swallows() {
        let result = try_await!(fails(ValueError::new("swallowed")));
        if result.is_err() {
            stack(me().get_stack());
            await!(sleep(secs(5)));
        }
    }

    async fn ended(coro: impl Awaitable<Output = ()> + 'static, name: &'static str) -> Task<()> {
        let task = TaskBuilder::new().name(name).create(coro);
        await!(sleep(secs(1)));
        stack(task.get_stack());
        task
    }

    async fn main() {
        let task = TaskBuilder::new().name("new").create(outer());
        stack(task.get_stack());
        task.set_name("waits");
        await!(sleep(secs(1)));
        stack(task.get_stack());
        for limit in [0, 1, 2] {
            stack(task.get_stack().limit(limit));
        }
        let waiter = TaskBuilder::new().name("waiter").create(waits_for(task.future()));
        await!(sleep(secs(1)));
        stack(waiter.get_stack());
        stack(task.get_stack());
        waiter.cancel();
        task.cancel();
        stack(task.get_stack());
        await!(wait([task.any(), waiter.any()]));
        stack(task.get_stack());
        let task = TaskBuilder::new().name("never starts").create(outer());
        task.cancel();
        stack(task.get_stack());
        await!(wait([&task]));
        stack(task.get_stack());
        await!(ended(within(), "within"));
        await!(ended(value(), "value"));
        let task = await!(ended(fails(ValueError::new("bad")), "fails"));
        for limit in [0, 1, 9] {
            stack(task.get_stack().limit(limit));
        }
        trace!("{}", optional(task.exception()?.as_ref()));
        stack(task.get_stack());
        let task = await!(ended(fails(ValueError::new("two\nlines")), "lines"));
        trace!("{}", optional(task.exception()?.as_ref()));
        let task = await!(ended(fails(ValueError::new("")), "silent"));
        trace!("{}", optional(task.exception()?.as_ref()));
        let task = TaskBuilder::new().name("swallows").create(swallows());
        await!(sleep(secs(1)));
        stack(task.get_stack());
        await!(ended(fails(ValueError::new("nobody asks")), "nobody"));
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
