//! Eager tasks in groups, under limits and shields, in gather with errors; what runs when.

use crate::harness::{KeyError, run, show, trace};
use coro_core::{RuntimeError, TaskBuilder, ValueError, current_task, prelude::*, timeout};

fn count() -> usize {
    current_task().map_or(9, |me| me.cancelling())
}

async_fn! {
    async fn step(name: &'static str, rounds: u32, error: Option<Error>) -> &'static str {
        trace!("{name} begins");
        for _ in 0..rounds {
            await!(sleep(secs(0)));
        }
        error.map_or(Ok(()), Err)?;
        trace!("{name} ends");
        name
    }

    async fn slow(name: &'static str, delay: Duration) {
        trace!("{name} begins");
        try_await!(sleep(delay)).inspect_err(|_| trace!("{name} cancelled"))?;
        trace!("{name} ends");
    }

    async fn group_that_fails() {
        async with TaskGroup::new() as tg {
            tg.create_task(slow("before", secs(1)));
            tg.create_task(step("bad", 0, Some(ValueError::new("v").into())));
            trace!("after the bad one {}", count());
            match tg.create_task(step("more", 0, None)).exception()? {
                Some(e) if e.is::<RuntimeError>() => trace!("{}", show(&e).split(" <").next().unwrap_or_default()),
                other => other.map_or(Ok(()), Err)?,
            }
            await!(sleep(secs(0)));
            trace!("not reached");
        }
    }

    async fn fails_at_once() {
        match try_await!(group_that_fails()) {
            Err(e) if e.is::<ErrorGroup>() => trace!("errors {} {}", e.errors().len(), count()),
            other => other?,
        }
    }

    async fn all_at_once() {
        let mut results = Vec::new();
        async with TaskGroup::new() as tg {
            let tasks = ["a", "b"].map(|n| tg.create_task(step(n, 0, None)));
            trace!("{:?}", tasks.each_ref().map(|t| t.done()));
            for task in tasks {
                results.push(task.result()?);
            }
        }
        trace!("left {results:?}");
    }

    async fn inner() {
        async with TaskGroup::new() as tg {
            tg.create_task(step("inner 1", 1, None));
            tg.create_task(step("inner 2", 0, None));
        }
        trace!("inner left");
    }

    async fn nested() {
        async with TaskGroup::new() as outer {
            outer.create_task(inner());
            trace!("back in outer");
        }
        trace!("outer left");
    }

    async fn two_sleepers() {
        async with TaskGroup::new() as tg {
            tg.create_task(slow("x", secs(2)));
            tg.create_task(slow("y", millis(500)));
        }
    }

    async fn limits() {
        match timeout(secs(1), || two_sleepers().co_await()) {
            Err(e) if e.is_timeout() => trace!("limit {}", count()),
            other => other?,
        }
        match try_await!(wait_for(slow("z", secs(5)), secs(1))) {
            Err(e) if e.is_timeout() => trace!("wait_for {}", count()),
            other => other?,
        }
        let inner = create_task(slow("kept", secs(2)));
        match timeout(secs(1), || shield(inner.future()).co_await()) {
            Err(e) if e.is_timeout() => trace!("shielded {}", inner.done()),
            other => other?,
        }
        await!(inner);
    }

    async fn gathers() {
        let key_error = Some(KeyError::new("k").into());
        match try_await!(gather([step("g1", 2, None), step("g2", 0, key_error), step("g3", 1, None)])) {
            Err(e) if e.is::<KeyError>() => trace!("{}", show(&e)),
            other => drop(other?),
        }
        await!(sleep(secs(0)));
        await!(sleep(secs(0)));
        let both = await!(gather([step("h1", 0, None), step("h2", 1, None)]));
        trace!("{both:?}");
    }

    async fn lazy_in_eager() {
        trace!("lazy:");
        let task = TaskBuilder::new().eager_start(false).create(step("made by hand", 0, None));
        trace!("made");
        await!(task);
        let task = TaskBuilder::new().eager_start(true).create(step("eager by hand", 0, None));
        trace!("{}", task.done());
    }

    async fn main() {
        get_running_loop()?.set_eager_tasks(true);
        let all = [
            ("fails_at_once", fails_at_once().boxed()),
            ("all_at_once", all_at_once().boxed()),
            ("nested", nested().boxed()),
            ("limits", limits().boxed()),
            ("gathers", gathers().boxed()),
            ("lazy_in_eager", lazy_in_eager().boxed()),
        ];
        for (name, each) in all {
            trace!("-- {name}");
            await!(each);
        }
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
