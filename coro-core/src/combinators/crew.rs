//! Tasks that work for one owner, and end with it.
//!
//! Behind `buffered` and `merge`: what reads ahead, and what runs at once.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::wait::wait;
use crate::async_iter::{AsyncIterator, both};
use crate::coroutine::{Awaitable, Coroutine};
use crate::definition::Definition;
use crate::error::{Error, Result};
use crate::events::{ExceptionContext, running_core};
use crate::sync::Semaphore;
use crate::task::{AnyTask, Task, cleanup, create_task, current_task};

/// Some tasks, the oldest first. They hold it as well: whoever owns it ends them.
#[derive(Clone, Default)]
pub(super) struct Crew(Rc<Members>);

#[derive(Default)]
struct Members {
    tasks: RefCell<Vec<AnyTask>>,
    /// Nobody is hired any more, and nobody reads on: a source may swallow its cancellation.
    ended: Cell<bool>,
}

impl Crew {
    pub(super) fn hire(&self, task: AnyTask) {
        // Those that have ended leave now: their results may be the user's to drop.
        let (gone, mut left): (Vec<AnyTask>, Vec<AnyTask>) =
            self.0.tasks.take().into_iter().partition(AnyTask::done);
        left.push(task);
        self.0.tasks.replace(left);
        drop(gone);
    }

    /// A task that hands all items of `source` to `give`, each after a permit, and then closes it.
    pub(super) fn read<I>(
        &self,
        source: I,
        permits: Rc<Semaphore>,
        give: impl Fn(I::Item) + 'static,
    ) -> Task<()>
    where
        I: AsyncIterator + 'static,
    {
        static DEFINITION: Definition = Definition::new("read_ahead", file!(), line!());
        let (mut source, me) = (source, self.clone());
        let task = create_task(Coroutine::named(&DEFINITION, move || {
            let read = me.read_all(&mut source, &permits, give);
            both(read, source.aclose())
        }));
        self.hire(task.any_task());
        task
    }

    fn read_all<I>(&self, source: &mut I, permits: &Semaphore, give: impl Fn(I::Item)) -> Result<()>
    where
        I: AsyncIterator,
    {
        loop {
            permits.acquire().co_await()?.forget();
            match source.anext()? {
                Some(item) if !self.0.ended.get() => give(item),
                _ => return Ok(()),
            }
        }
    }

    /// Ends all: cancels them and waits for them, whatever comes meanwhile. The first error that one of them raises
    /// then is given, the others are told to the loop's exception handler.
    pub(super) fn end(&self) -> Result<()> {
        let mut result = Ok(());
        for (task, error) in self.end_all() {
            match result {
                Ok(()) => result = Err(error),
                Err(_) => tell(&task, error),
            }
        }
        result
    }

    /// The same for a destructor, which can give no error.
    pub(super) fn dismiss(&self) {
        for (task, error) in self.end_all() {
            tell(&task, error);
        }
    }

    /// Those that had to be ended and raised something.
    fn end_all(&self) -> Vec<(AnyTask, Error)> {
        self.0.ended.set(true);
        let tasks = self.0.tasks.take();
        let (me, here) = (current_task(), running_core().ok());
        for task in tasks.iter().filter(|task| !task.done()) {
            task.cancel();
        }
        // One of them may be the one who ends them, and they may belong to a loop that does not run now.
        let can_wait_for = |task: &&AnyTask| {
            let core = task.object.event_loop();
            !task.done()
                && me.as_ref().is_some_and(|me| !me.same(task))
                && core.zip(here.as_ref()).is_some_and(|(core, here)| Rc::ptr_eq(&core, here))
        };
        let running: Vec<&AnyTask> = tasks.iter().filter(can_wait_for).collect();
        // While a panic passes, and where nothing can suspend, they end by themselves.
        let may_wait = !running.is_empty() && !std::thread::panicking();
        if !may_wait || cleanup(|| wait(running.iter().copied()).co_await()).is_err() {
            return Vec::new();
        }
        let raised = |task: &AnyTask| task.any().exception().filter(|error| !error.is_cancelled());
        running.into_iter().filter_map(|task| Some((task.clone(), raised(task)?))).collect()
    }
}

fn tell(task: &AnyTask, error: Error) {
    let Ok(core) = running_core() else { return };
    core.call_exception_handler(&ExceptionContext {
        message: "a task of an asynchronous iterator raised an exception when it was cancelled".to_owned(),
        exception: Some(error),
        future: Some(format!("{task:?}")),
        handle: None,
    });
}
