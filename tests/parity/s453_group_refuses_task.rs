//! A group that cannot take a task closes the coroutine: no warning that it was never awaited.

use crate::harness::{run, show, trace};
use coro_core::{RuntimeError, ValueError, prelude::*};
use std::rc::Rc;

async_fn! {
    async fn child(name: Rc<str>) {
        trace!("{name} never runs");
    }

    async fn fails() {
        raise!(ValueError::new("child"))
    }

    async fn value() -> &'static str {
        await!(sleep(secs(1)));
        "value"
    }

    async fn failing_group() {
        let group = TaskGroup::new();
        async with group.clone() {
            group.create_task(fails());
            let slept = try_await!(sleep(secs(100)));
            refused(&group, "while failing")?;
            slept?;
        }
    }

    async fn main() {
        let group = TaskGroup::new();
        refused(&group, "before")?;
        let mut task = None;
        async with group.clone() {
            task = Some(group.create_task(value()));
        }
        let Some(task) = task else { return };
        trace!("{}", task.result()?);
        refused(&group, "after")?;
        match try_await!(failing_group()) {
            Err(e) if e.is::<ErrorGroup>() => trace!("{}", show(&e)),
            other => other?,
        }
    }
}

fn refused(group: &TaskGroup, when: &'static str) -> Result<()> {
    let argument: Rc<str> = when.into(); // is dropped with the coroutine
    match group.create_task(child(Rc::clone(&argument))).result() {
        Err(e) if e.is::<RuntimeError>() => {
            let text = e.to_string();
            let why = text.split("> ").nth(1).unwrap_or(&text);
            trace!("{when} refused: {why} | closed: {}", Rc::strong_count(&argument) == 1);
        }
        other => other?,
    }
    Ok(())
}

pub fn scenario() -> Result<()> {
    run(main())
}
