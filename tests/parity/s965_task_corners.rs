//! A task cancelled before it starts, twice, at its end, while it ends; what it tells then.

use crate::harness::{args, repr, run, show, trace};
use coro_core::{
    AnyTask, Cancelled, InvalidState, TaskBuilder, ValueError, all_tasks, current_task, prelude::*, wait,
};
use std::cell::RefCell;
use std::rc::Rc;

type Text = &'static str;

fn count() -> usize {
    current_task().map_or(9, |me| me.cancelling())
}

async_fn! {
    async fn nap(delay: u64) -> Text {
        await!(sleep(secs(delay)));
        "slept"
    }

    async fn swallows(times: u32) -> Text {
        for _ in 0..times {
            match try_await!(sleep(secs(10))) {
                Err(e) if e.is_cancelled() => trace!("swallowed {} {}", args(&e), count()),
                other => other?,
            }
        }
        "swallowed all"
    }

    async fn raises_other() -> Text {
        match try_await!(sleep(secs(10))) {
            Err(e) if e.is_cancelled() => raise!(ValueError::new("instead")),
            other => other.map(|()| "slept")?,
        }
    }

    async fn raises_own() -> Text {
        raise!(Cancelled::with_message("own"));
    }

    async fn last_step() -> Text {
        current_task().map(|me| me.cancel_with("too late?"));
        "result"
    }

    async fn outer(inner: Rc<Task<Text>>) -> Text {
        match try_await!(&*inner) {
            Err(e) if e.is_cancelled() => {
                trace!("outer sees {} {} {}", args(&e), count(), inner.cancelling());
                raise!(e);
            }
            other => other?,
        }
    }

    async fn finish(name: Text, task: &Task<Text>) {
        await!(wait([task]));
        trace!("-- {name} {} {}", task.cancelled(), task.cancelling());
        tell(task)?;
    }
}

fn tell(task: &Task<Text>) -> Result<()> {
    match task.result() {
        Err(e) if e.is_cancelled() => trace!("result CancelledError {}", args(&e)),
        Err(e) if e.is::<InvalidState>() => trace!("result {}", show(&e)),
        Err(e) if e.is::<ValueError>() => trace!("result raises {}", show(&e)),
        other => trace!("result {:?}", other?),
    }
    match task.exception() {
        Err(e) if e.is_cancelled() => trace!("exception CancelledError"),
        Err(e) if e.is::<InvalidState>() => trace!("exception {}", show(&e)),
        other => trace!("exception {}", other?.map_or_else(|| "None".to_owned(), |e| repr(&e))),
    }
    Ok(())
}

async_fn! {
    async fn main() {
        let task = create_task(nap(1));
        tell(&task)?;
        task.any_task().cancel_with("before it starts");
        await!(finish("before it starts", &task));
        let task = create_task(nap(1));
        await!(sleep(secs(0)));
        trace!("{} {} {}", task.cancel_with("1"), task.cancel_with("2"), task.cancelling());
        await!(finish("twice", &task));
        trace!("{} {}", task.cancel(), task.cancelling());
        let task = create_task(swallows(2));
        await!(sleep(secs(0)));
        task.cancel_with("first");
        await!(sleep(secs(0)));
        task.cancel_with("second");
        await!(finish("swallowed", &task));
        let task = create_task(swallows(1));
        task.cancel();
        task.uncancel();
        await!(sleep(secs(0)));
        trace!("uncancelled before it starts {}", task.cancelling());
        task.cancel_with("now");
        await!(finish("uncancelled", &task));
        let task = create_task(raises_other());
        await!(sleep(secs(0)));
        task.cancel();
        await!(finish("another error", &task));
        await!(finish("its own", &create_task(raises_own())));
        await!(finish("in its last step", &create_task(last_step())));
        // Cancelled in the round of its end, before and after its last step.
        let event_loop = get_running_loop()?;
        for (early, name) in [(true, "early true"), (false, "early false")] {
            let victim: Rc<RefCell<Option<AnyTask>>> = Rc::default();
            let cancel = || {
                let victim = Rc::clone(&victim);
                event_loop.call_later(secs(1), move || {
                    trace!("cancel {}", victim.borrow().as_ref().is_some_and(AnyTask::cancel));
                });
            };
            if early {
                cancel();
            }
            let task = create_task(nap(1));
            victim.replace(Some(task.any_task()));
            await!(sleep(secs(0)));
            if !early {
                cancel();
            }
            await!(finish(name, &task));
        }
        // Who awaits a task that is cancelled; who is cancelled while it awaits one.
        let inner = Rc::new(create_task(nap(1)));
        let task = create_task(outer(Rc::clone(&inner)));
        await!(sleep(secs(0)));
        inner.cancel_with("inner");
        await!(finish("inner cancelled", &task));
        let inner = Rc::new(create_task(nap(1)));
        let task = create_task(outer(Rc::clone(&inner)));
        await!(sleep(secs(0)));
        task.cancel_with("outer");
        await!(finish("outer cancelled", &task));
        trace!("{}", inner.cancelled());
        // Two who await it, one of them cancelled.
        let inner = Rc::new(create_task(nap(1)));
        let tasks = [0, 1].map(|_| create_task(outer(Rc::clone(&inner))));
        await!(sleep(secs(0)));
        await!(sleep(secs(0)));
        tasks[0].cancel_with("one");
        await!(wait(&tasks));
        trace!("{:?} {}", tasks.map(|t| t.cancelled()), inner.cancelled());
        let task = TaskBuilder::new().name("n").create(nap(0));
        task.set_name("7");
        let other = current_task().is_some_and(|me| !me.same(&task.any_task()));
        trace!("{} {other} {}", task.get_name(), all_tasks()?.len());
        await!(task);
        trace!("{}", all_tasks()?.len());
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
