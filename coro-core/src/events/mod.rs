//! The loop as those below it see it: what can run, what can be waited for, and the queues of a loop.
//!
//! Floor 1. [`EventLoop`] is the handle that users hold; its methods that need tasks or the reactor's turn are
//! added by `event_loop/`. [`Runnable`] and [`Waitable`] are the two traits by which this floor calls upwards.

mod any_future;
mod arrivals;
mod doors;
mod event_loop;
mod executor;
mod handle;
mod loop_core;
mod ready;
mod signals;
mod wakeup;
#[cfg(unix)]
mod watch;

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

pub use any_future::AnyFuture;
pub(crate) use arrivals::SIGNALS;
pub(crate) use doors::Doors;
pub use event_loop::{EventLoop, ExceptionHandler};
pub use executor::Executor;
pub(crate) use handle::callback;
pub use handle::{Handle, TimerHandle};
pub(crate) use loop_core::{CloseGuard, LoopCore, OPERATIONS, default_exception_handler};
pub(crate) use ready::{Ready, Round};
pub(crate) use signals::{SignalEntry, SignalHandler, SignalListener};
pub(crate) use wakeup::Wakeup;

use crate::definition::Origin;
use crate::error::{Error, Result, RuntimeError};

/// Something the loop runs once per entry in its ready queue: a callback, or the next step of a task.
pub(crate) trait Runnable {
    /// Does what it is there for. `core` is the loop that runs it. Nothing happens if it was cancelled.
    fn run(self: Rc<Self>, core: &Rc<LoopCore>);

    /// Asks for its memory, which it does not look at.
    fn prefetch(&self) {}

    /// Asks for the memory that it will switch to.
    fn prefetch_stack(&self) {}

    /// Whether it is the step of a task.
    fn is_task(&self) -> bool {
        false
    }

    /// Whether it has become useless, so that a loop need not wait for its time.
    fn is_cancelled(&self) -> bool {
        false
    }

    /// How debug mode names it.
    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;

    /// How it stands in the list of callbacks of a future that it waits for.
    fn callback_name(&self) -> String {
        "callback()".to_owned()
    }

    /// Who waits, where it stands in that list for a wait: a task, or a future that others wait for in their turn.
    fn awaiter(self: Rc<Self>) -> Option<AnyFuture> {
        None
    }
}

/// Something open that goes with its loop, such as a transport.
pub(crate) trait Resource {
    /// The loop was closed: whatever is open is let go of.
    fn loop_closed(self: Rc<Self>);
}

/// A future as tasks and combinators see it, whatever its result.
pub(crate) trait Waitable {
    fn is_done(&self) -> bool;
    fn is_cancelled(&self) -> bool;
    fn cancel(self: Rc<Self>, message: Option<String>) -> bool;
    /// The message of the last cancellation that was to be raised in it, whatever became of that.
    fn cancel_message(&self) -> Option<String> {
        None
    }
    /// What awaiting it would raise: `None` while it is pending, and when it has a result. The exception counts as
    /// seen by somebody.
    fn retrieve(&self) -> Option<Error>;
    /// Schedules `waiter` once it is done; a done one is scheduled at once.
    fn add_waiter(&self, waiter: Rc<dyn Runnable>);
    /// Takes a waiter back that has not been scheduled yet.
    fn remove_waiter(&self, waiter: &Rc<dyn Runnable>);
    /// Those that were added and not taken back, as long as it is pending.
    fn waiters(&self) -> Vec<Rc<dyn Runnable>>;
    fn event_loop(&self) -> Option<Rc<LoopCore>>;
    /// Whether it belongs to this loop.
    fn is_of(&self, core: &Rc<LoopCore>) -> bool {
        self.event_loop().is_some_and(|own| Rc::ptr_eq(&own, core))
    }
    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
    /// The name of the task, if it is one.
    fn task_name(&self) -> Option<String>;
    /// Where it stands among the tasks of its thread, if it is one that has not ended.
    fn task_key(&self) -> Option<u32> {
        None
    }
    /// What the task runs, if it is one.
    fn origin(&self) -> Option<Origin> {
        None
    }
}

/// What is told to the exception handler of a loop; the `context` dictionary of asyncio.
///
/// ```
/// # use coro_core::prelude::*;
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// get_running_loop()?.call_exception_handler(&coro_core::ExceptionContext {
///     message: "the eggs are burnt".to_owned(),
///     exception: Some(Error::msg("burnt")),
///     future: None,
///     handle: None,
/// });
/// # Ok(())
/// # })).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct ExceptionContext {
    /// What happened, in a sentence.
    pub message: String,
    /// The exception, if there is one.
    pub exception: Option<Error>,
    /// The future or task that it happened to, as its `Debug` output reads.
    pub future: Option<String>,
    /// The callback that it happened in, as its `Debug` output reads.
    pub handle: Option<String>,
}

thread_local! {
    static RUNNING: RefCell<Option<Rc<LoopCore>>> = const { RefCell::new(None) };
}

/// The loop that runs on this thread; `asyncio.get_running_loop()`.
///
/// # Errors
/// [`RuntimeError`] "no running event loop" outside of a task and of a callback.
///
/// ```
/// use coro_core::prelude::*;
/// assert!(get_running_loop().is_err());
/// coro_core::run(coroutine(|| {
///     assert!(get_running_loop()?.is_running());
///     Ok(())
/// })).unwrap();
/// ```
pub fn get_running_loop() -> Result<EventLoop> {
    running_core().map(|core| core.handle())
}

pub(crate) fn running_core() -> Result<Rc<LoopCore>> {
    with_running(Rc::clone)
}

/// Calls `f` with the loop that runs on this thread; `f` neither runs a loop nor calls the user's code.
#[inline]
pub(crate) fn with_running<T>(f: impl FnOnce(&Rc<LoopCore>) -> T) -> Result<T> {
    match RUNNING.try_with(|running| running.borrow().as_ref().map(f)) {
        Ok(Some(result)) => Ok(result),
        _ => Err(no_running_loop()),
    }
}

#[cold]
fn no_running_loop() -> Error {
    RuntimeError::new("no running event loop").into()
}

/// Marks `core` as this thread's running loop until the guard is dropped.
pub(crate) fn enter_running(core: &Rc<LoopCore>) -> RunningGuard {
    // At the end of the thread there is no place to mark it any more.
    let before = RUNNING.try_with(|running| running.replace(Some(Rc::clone(core))));
    RunningGuard { before: before.unwrap_or_default() }
}

pub(crate) struct RunningGuard {
    before: Option<Rc<LoopCore>>,
}

impl Drop for RunningGuard {
    fn drop(&mut self) {
        let own = RUNNING.try_with(|running| running.replace(self.before.take()));
        drop(own);
    }
}
