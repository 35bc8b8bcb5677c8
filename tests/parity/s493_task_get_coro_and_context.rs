//! What a task tells of itself: its coroutine, its context, its name.

use crate::harness::{run, trace};
use coro_core::{Context, ContextVar, TaskBuilder, current_task, prelude::*};

static VAR: ContextVar<&str> = ContextVar::with_default("var", || "unset");

async_fn! {
    async fn work(value: &'static str) -> String {
        VAR.set(value);
        await!(sleep(secs(0)));
        current_task().map(|me| me.get_name()).unwrap_or_default()
    }

    async fn main() {
        let task = TaskBuilder::new().name("own name").create(work("copied"));
        trace!("its coroutine: {} name {}", task.get_coro().name() == "work", task.get_name());
        await!(&task);
        trace!("kept when done: {}", task.get_coro().name() == "work");
        let value = task.get_context().get(&VAR).unwrap_or_default();
        trace!("its context is a copy: {value} main {}", VAR.get()?);
        let context = Context::current().copy();
        let task = TaskBuilder::new().name("7").context(&context).create(work("given"));
        let same = task.get_context().same(&context);
        let result = await!(&task);
        trace!("the given context itself: {same} result {result} {}", context.get(&VAR).unwrap_or_default());
        task.set_name("later");
        let numbered = TaskBuilder::new().name("12").create(work("x"));
        trace!("{} | number in names: {:?}", task.get_name(), numbered.get_name());
        async with TaskGroup::new() as tg {
            let builder = TaskBuilder::new().name("in the group").context(&context);
            let task = tg.create_task_with(builder, work("group"));
            trace!("{} {}", task.get_context().same(&context), task.get_name());
        }
        let none = await!(gather(Vec::<Task<()>>::new()));
        let own = current_task().and_then(|me| me.get_context().get(&VAR));
        trace!("{} {none:?} {own:?}", context.get(&VAR).unwrap_or_default());
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
