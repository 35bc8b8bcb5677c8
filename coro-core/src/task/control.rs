//! What is known of a task whatever its result: name, cancellation counts, what it waits for; and who is running.
//!
//! Floor 5.

use std::cell::{Cell, RefCell};
use std::fmt::{self, Debug};
use std::rc::Rc;

use slab::Slab;

use crate::context::Context;
use crate::definition::Origin;
use crate::error::{Error, Result};
use crate::events::{AnyFuture, EventLoop, LoopCore, Runnable, Waitable, running_core};

/// The untyped part of a task.
pub(crate) struct Control {
    name: RefCell<Option<String>>,
    pub(super) number: u64,
    pub(super) origin: Origin,
    pub(super) context: Context,
    pub(super) stack_size: usize,
    /// A cancellation that the next step delivers.
    pub(super) must_cancel: Cell<bool>,
    pub(super) cancel_message: RefCell<Option<String>>,
    /// `cancel()` calls less `uncancel()` calls.
    pub(super) cancel_requests: Cell<usize>,
    /// While it is above zero, cancellations are held back; see [`cleanup`](super::cleanup).
    pub(super) shields: Cell<usize>,
    pub(super) waiting_for: RefCell<Option<Rc<dyn Waitable>>>,
    /// What the next step raises, for mistakes in what was awaited.
    pub(super) to_raise: Cell<Option<Error>>,
    pub(super) key: Cell<Option<usize>>,
}

impl Control {
    pub(super) fn new(name: Option<String>, origin: Origin, context: Context, stack_size: usize) -> Self {
        thread_local!(static MADE: Cell<u64> = const { Cell::new(0) });
        Self {
            name: RefCell::new(name),
            number: MADE.replace(MADE.get() + 1) + 1,
            origin,
            context,
            stack_size,
            must_cancel: Cell::new(false),
            cancel_message: RefCell::default(),
            cancel_requests: Cell::new(0),
            shields: Cell::new(0),
            waiting_for: RefCell::default(),
            to_raise: Cell::new(None),
            key: Cell::new(None),
        }
    }

    pub(super) fn name(&self) -> String {
        self.name.borrow().clone().unwrap_or_else(|| format!("Task-{}", self.number))
    }

    /// Who it is, without allocating: the task may just have overflowed its stack.
    pub(super) fn describe_running(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        let (file, line) = self.origin.place();
        match self.name.try_borrow().as_deref() {
            Ok(Some(name)) => write!(out, "task '{name}'")?,
            _ => write!(out, "task 'Task-{}'", self.number)?,
        }
        write!(out, " (coroutine '{}' defined at {file}:{line})", self.origin.name())
    }

    pub(super) fn set_name(&self, name: String) {
        *self.name.borrow_mut() = Some(name);
    }

    pub(super) fn uncancel(&self) -> usize {
        let left = self.cancel_requests.get().saturating_sub(1);
        self.cancel_requests.set(left);
        if left == 0 {
            self.must_cancel.set(false);
        }
        left
    }

    /// Takes the cancellation that is due, as the error to be raised.
    pub(super) fn take_cancellation(&self) -> Option<Error> {
        if self.shields.get() > 0 || !self.must_cancel.replace(false) {
            return None;
        }
        Some(crate::future::cancelled_error(self.cancel_message.take()))
    }

    /// From the name on: ` name='Task-1' coro=<…> wait_for=<…>`.
    pub(super) fn fmt_info(&self, f: &mut fmt::Formatter<'_>, done: bool) -> fmt::Result {
        let (file, line) = self.origin.place();
        let state = if done { "done, defined" } else { "running" };
        write!(f, " name='{}' coro=<{}() {state} at {file}:{line}>", self.name(), self.origin.name())?;
        let waiting_for = self.waiting_for.borrow().clone();
        match waiting_for {
            Some(future) => {
                f.write_str(" wait_for=")?;
                future.describe(f)
            }
            None => Ok(()),
        }
    }
}

/// A task as the loop, the scopes and the reports see it.
pub(crate) trait TaskObject: Waitable + Runnable {
    fn control(&self) -> &Control;

    /// Ends a task whose loop is gone, by force. Gives why its stack had to be leaked, if it had to.
    fn destroy(self: Rc<Self>) -> std::result::Result<(), &'static str>;
}

/// A task, whatever its result; what [`current_task`] and [`all_tasks`] give.
///
/// ```
/// use coro_core::prelude::*;
/// coro_core::run(coroutine(|| {
///     let me = coro_core::current_task().expect("this runs in a task");
///     me.set_name("main");
///     assert_eq!(me.get_name(), "main");
///     assert_eq!(coro_core::all_tasks()?.len(), 1);
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone)]
pub struct AnyTask {
    pub(crate) object: Rc<dyn TaskObject>,
}

impl AnyTask {
    /// This task as a future.
    pub fn any(&self) -> AnyFuture {
        AnyFuture(Rc::clone(&self.object) as Rc<dyn Waitable>)
    }

    /// Its name, `Task-N` if none was given.
    pub fn get_name(&self) -> String {
        self.object.control().name()
    }

    /// Gives it a name.
    pub fn set_name(&self, name: impl Into<String>) {
        self.object.control().set_name(name.into());
    }

    /// The name and place of the coroutine that it runs; `get_coro()`.
    pub fn get_coro(&self) -> CoroInfo {
        CoroInfo { origin: self.object.control().origin }
    }

    /// The context that its steps run in.
    pub fn get_context(&self) -> Context {
        self.object.control().context.clone()
    }

    /// The loop it runs on.
    pub fn get_loop(&self) -> Option<EventLoop> {
        self.object.event_loop().map(|core| core.handle())
    }

    /// Whether it has ended.
    pub fn done(&self) -> bool {
        self.object.is_done()
    }

    /// Whether it was cancelled.
    pub fn cancelled(&self) -> bool {
        Waitable::is_cancelled(&*self.object)
    }

    /// Asks it to end at its next step: [`Cancelled`](crate::Cancelled) is raised in it. False if it was done.
    pub fn cancel(&self) -> bool {
        Rc::clone(&self.object).cancel(None)
    }

    /// As [`cancel`](Self::cancel), with a message.
    pub fn cancel_with(&self, message: impl Into<String>) -> bool {
        Rc::clone(&self.object).cancel(Some(message.into()))
    }

    /// How many requests to cancel it were made and not taken back.
    pub fn cancelling(&self) -> usize {
        self.object.control().cancel_requests.get()
    }

    /// Takes one request to cancel it back; gives how many are left.
    pub fn uncancel(&self) -> usize {
        self.object.control().uncancel()
    }

    /// Whether both are the same task.
    pub fn same(&self, other: &AnyTask) -> bool {
        std::ptr::addr_eq(Rc::as_ptr(&self.object), Rc::as_ptr(&other.object))
    }

    /// Makes its next step raise `error`, and lets it come now. For a task that is parked.
    pub(crate) fn raise(&self, error: Error) {
        let control = self.object.control();
        let me: Rc<dyn Runnable> = Rc::clone(&self.object) as Rc<dyn Runnable>;
        if let Some(waiting_for) = control.waiting_for.take() {
            waiting_for.remove_waiter(&me);
        }
        control.to_raise.set(Some(error));
        if let Some(core) = self.object.event_loop() {
            core.push(me);
        }
    }

    pub(crate) fn number(&self) -> u64 {
        self.object.control().number
    }
}

impl Debug for AnyTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Waitable::describe(&*self.object, f)
    }
}

/// What is known of the coroutine that a task runs.
#[derive(Clone, Copy, Debug)]
pub struct CoroInfo {
    origin: Origin,
}

impl CoroInfo {
    /// The name of the function.
    pub fn name(&self) -> &'static str {
        self.origin.name()
    }

    /// Its file and line.
    pub fn place(&self) -> (&'static str, u32) {
        self.origin.place()
    }
}

thread_local! {
    /// All tasks of this thread that have not ended: the loop's strong references.
    static TASKS: RefCell<Slab<AnyTask>> = const { RefCell::new(Slab::new()) };
    static CURRENT: RefCell<Option<AnyTask>> = const { RefCell::new(None) };
}

pub(super) fn register(task: AnyTask) {
    TASKS.with_borrow_mut(|tasks| {
        let entry = tasks.vacant_entry();
        task.object.control().key.set(Some(entry.key()));
        entry.insert(task);
    });
}

pub(super) fn unregister(control: &Control) {
    if let Some(key) = control.key.take() {
        let task = TASKS.try_with(|tasks| tasks.borrow_mut().try_remove(key));
        drop(task);
    }
}

/// Makes `task` the current one; gives the one before.
pub(super) fn set_current(task: Option<AnyTask>) -> Option<AnyTask> {
    CURRENT.replace(task)
}

/// The task that runs now; `asyncio.current_task()`. `None` in a callback and outside a loop.
pub fn current_task() -> Option<AnyTask> {
    CURRENT.try_with(|current| current.borrow().clone()).ok().flatten()
}

/// All tasks of the running loop that have not ended, the oldest first; `asyncio.all_tasks()`.
///
/// # Errors
/// [`RuntimeError`](crate::RuntimeError) without a running loop.
pub fn all_tasks() -> Result<Vec<AnyTask>> {
    Ok(tasks_of(&running_core()?))
}

pub(crate) fn tasks_of(core: &Rc<LoopCore>) -> Vec<AnyTask> {
    let all: Vec<AnyTask> = TASKS.with_borrow(|tasks| tasks.iter().map(|(_, task)| task.clone()).collect());
    let belongs = |task: &AnyTask| task.object.event_loop().is_some_and(|own| Rc::ptr_eq(&own, core));
    let mut tasks: Vec<AnyTask> = all.into_iter().filter(belongs).collect();
    tasks.sort_by_key(AnyTask::number);
    tasks
}
