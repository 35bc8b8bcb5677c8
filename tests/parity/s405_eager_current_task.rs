//! Inside its first step an eager task is the current one, in a copy of its creator's context.

use crate::harness::{run, trace};
use coro_core::{AnyTask, Context, ContextVar, TaskBuilder, current_task, prelude::*};
use std::cell::RefCell;
use std::rc::Rc;

static VAR: ContextVar<&str> = ContextVar::with_default("var", || "unset");

type Seen = Rc<RefCell<Vec<Option<AnyTask>>>>;

fn is(one: Option<&AnyTask>, other: Option<&AnyTask>) -> bool {
    one.zip(other).is_some_and(|(one, other)| one.any().same(&other.any()))
}

async_fn! {
    async fn work(seen: Seen, suspend: bool) -> &'static str {
        trace!("sees {} and sets its own", VAR.get()?);
        VAR.set("task");
        seen.borrow_mut().push(current_task());
        if suspend {
            await!(sleep(secs(0)));
            seen.borrow_mut().push(current_task());
        }
        VAR.get()?
    }

    async fn main() {
        let me = current_task();
        get_running_loop()?.set_eager_tasks(true);
        VAR.set("main");
        for suspend in [false, true] {
            let seen = Seen::default();
            let task = create_task(work(Rc::clone(&seen), suspend));
            let task_itself = |t: &Option<AnyTask>| is(t.as_ref(), Some(&task.any_task()));
            let main_is_current = is(current_task().as_ref(), me.as_ref());
            trace!("it was itself: {} now main is current: {main_is_current}", task_itself(&seen.borrow()[0]));
            let own = task.get_context().get(&VAR).unwrap_or_default();
            trace!("main still has {} its context {own}", VAR.get()?);
            let result = await!(&task);
            trace!("result {result} always itself: {}", seen.borrow().iter().all(task_itself));
        }
        let given = Context::current().copy();
        TaskBuilder::new().context(&given).create(work(Seen::default(), false));
        let changed = given.get(&VAR).unwrap_or_default();
        trace!("the given context was changed: {changed} that of main was not: {}", VAR.get()?);
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
