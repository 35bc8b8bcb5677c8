//! Task groups: children that end before the block does.
//!
//! Floor: the library. The rules of leaving are CPython's `TaskGroup.__aexit__`:
//! 1. The exit waits for all children. An error of a child, or of the block, cancels the other children.
//! 2. A child's error cancels the parent once, if it is still in the block; the exit takes that request back.
//! 3. A cancellation from outside goes on after the exit, unless there are errors, which come first.

mod scope;
mod start;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::rc::Rc;

pub use scope::{Scope, ScopedTask};
pub use start::{Started, Starting};

use crate::async_context::AsyncContextManager;
use crate::coroutine::Awaitable;
use crate::error::{Error, ErrorGroup, Result, RuntimeError};
use crate::events::{AnyFuture, ExceptionContext, LoopCore, Runnable, running_core};
use crate::fiber::{self, Open, has_driver};
use crate::future::Future;
use crate::task::{AnyTask, Task, TaskBuilder, current_task, past_levels};

/// A group of tasks that ends as a whole; `asyncio.TaskGroup`. A clone is another handle on the same group.
///
/// # Errors
/// The block raises an [`ErrorGroup`] of what the tasks raised, and itself; the other tasks are cancelled
/// first. Entering is a [`RuntimeError`] outside a task, and for a group that was entered before.
///
/// # Cancellation
/// The tasks are cancelled, and waited for; then the cancellation goes on, unless there are errors.
///
/// ```
/// use coro_core::prelude::*;
///
/// async_fn! {
///     async fn boil(egg: u32) -> u32 {
///         await!(sleep(millis(5)));
///         egg
///     }
///     async fn program() -> u32 {
///         let mut first = None;
///         async with TaskGroup::new() as group {
///             first = Some(group.create_task(boil(1)));
///             group.create_task(boil(2));
///         } // both are done here
///         first.unwrap().result()?
///     }
/// }
/// assert_eq!(coro_core::run(program())?, 1);
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Default)]
pub struct TaskGroup {
    inner: Rc<Group>,
}

#[derive(Default)]
struct Group {
    core: RefCell<Option<Rc<LoopCore>>>,
    parent: RefCell<Option<AnyTask>>,
    tasks: RefCell<BTreeMap<u64, AnyTask>>,
    errors: RefCell<Vec<Error>>,
    entered: Cell<bool>,
    exiting: Cell<bool>,
    aborting: Cell<bool>,
    parent_cancel_requested: Cell<bool>,
    all_done: RefCell<Option<Future<()>>>,
    /// No generator may yield past a group that is entered.
    open: RefCell<Option<Open>>,
}

/// The done callback of one child.
struct ChildDone {
    group: Rc<Group>,
    task: AnyTask,
}

impl Runnable for ChildDone {
    fn run(self: Rc<Self>, _: &Rc<LoopCore>) {
        self.group.child_done(&self.task);
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TaskGroup._on_task_done()")
    }

    fn callback_name(&self) -> String {
        format!("TaskGroup._on_task_done() at {}:{}", file!(), line!())
    }

    fn awaiter(self: Rc<Self>) -> Option<AnyFuture> {
        self.group.parent.borrow().as_ref().map(AnyTask::any)
    }
}

impl Group {
    fn enter(&self) -> Result<()> {
        if self.entered.get() {
            return Err(RuntimeError::new(format!("TaskGroup {self:?} has already been entered")).into());
        }
        let core = running_core()?;
        let parent = current_task().filter(|_| has_driver());
        let Some(parent) = parent else {
            return Err(
                RuntimeError::new(format!("TaskGroup {self:?} cannot determine the parent task")).into()
            );
        };
        *self.core.borrow_mut() = Some(core);
        *self.parent.borrow_mut() = Some(parent);
        *self.open.borrow_mut() = Some(Open::new());
        self.entered.set(true);
        if self.aborting.get() {
            self.cancel_parent(); // it was cancelled before it was entered
        }
        Ok(())
    }

    /// The loop to make a child on, or why there can be no child any more.
    fn check_accepts(&self) -> Result<Rc<LoopCore>> {
        let core = self.core.borrow().clone();
        let message = match core {
            None => format!("TaskGroup {self:?} has not been entered"),
            Some(_) if self.exiting.get() && self.tasks.borrow().is_empty() => {
                format!("TaskGroup {self:?} is finished")
            }
            Some(_) if self.aborting.get() => format!("TaskGroup {self:?} is shutting down"),
            Some(core) => return Ok(core),
        };
        Err(RuntimeError::new(message).into())
    }

    fn adopt(self: &Rc<Self>, task: &AnyTask) {
        if task.done() {
            // An eager one; or one that was refused, which has no loop, and whose error is its creator's to see.
            if task.get_loop().is_some() {
                self.child_done(task);
            }
            return;
        }
        self.tasks.borrow_mut().insert(task.number(), task.clone());
        let done = ChildDone { group: Rc::clone(self), task: task.clone() };
        task.any().0.add_waiter(Rc::new(done));
    }

    fn abort(&self) {
        self.aborting.set(true);
        let tasks: Vec<AnyTask> = self.tasks.borrow().values().cloned().collect();
        for task in tasks {
            task.cancel();
        }
    }

    fn child_done(&self, task: &AnyTask) {
        self.tasks.borrow_mut().remove(&task.number());
        let all_done = self.all_done.borrow().clone();
        if let Some(all_done) = all_done.filter(|future| self.tasks.borrow().is_empty() && !future.done()) {
            let settled = all_done.settle_value(());
            debug_assert!(settled.is_ok(), "looked at above");
        }
        let Some(error) = task.any().exception().filter(|_| !task.cancelled()) else { return };
        self.errors.borrow_mut().push(error.clone());
        let parent = self.parent.borrow().clone();
        let Some(parent) = parent else { return };
        if parent.done() {
            if let Some(core) = self.core.borrow().clone() {
                core.call_exception_handler(&ExceptionContext {
                    message: format!(
                        "Task {task:?} has errored out but its parent task {parent:?} is already completed"
                    ),
                    exception: Some(error),
                    future: Some(format!("{task:?}")),
                    handle: None,
                });
            }
            return;
        }
        if !self.aborting.get() && !self.parent_cancel_requested.get() {
            self.abort();
            self.cancel_parent();
        }
    }

    /// Cancels the block, once; the exit takes the request back.
    fn cancel_parent(&self) {
        let parent = self.parent.borrow().clone();
        if let Some(parent) = parent.filter(|_| !self.parent_cancel_requested.replace(true)) {
            parent.cancel();
        }
    }

    /// Waits for the children, and gives what the block as a whole raises.
    fn exit(&self, error: Option<&Error>) -> Result<()> {
        self.exiting.set(true);
        let mut cancellation = error.filter(|error| error.is_cancelled()).cloned();
        if error.is_some() && !self.aborting.get() {
            self.abort();
        }
        while !self.tasks.borrow().is_empty() && !fiber::is_unwinding() {
            let core = self.core.borrow().clone();
            let (Some(core), true) = (core, has_driver()) else {
                return Err(
                    RuntimeError::new(format!("nothing can wait for the tasks of {self:?} here")).into()
                );
            };
            let all_done = Future::on(core);
            *self.all_done.borrow_mut() = Some(all_done.clone());
            // Once the children are cancelled, a cancel scope around the group has nothing more to say.
            let waited = match self.aborting.get() {
                true => past_levels(|| all_done.wait_done()),
                false => all_done.wait_done(),
            };
            if let Some(error) = waited.err().filter(|_| !self.aborting.get()) {
                cancellation = Some(error);
                self.abort();
            }
            drop(self.all_done.take());
        }
        drop(self.open.take());
        let parent = self.parent.borrow().clone();
        if self.parent_cancel_requested.get() && parent.as_ref().is_some_and(|parent| parent.uncancel() == 0)
        {
            cancellation = None;
        }
        let mut errors = self.errors.take();
        if let Some(exit) = errors.iter().chain(error).find(|error| error.breaks_out()) {
            return Err(exit.clone());
        }
        if let Some(cancellation) = cancellation.filter(|_| errors.is_empty()) {
            return Err(cancellation);
        }
        errors.extend(error.filter(|error| !error.is_cancelled()).cloned());
        if errors.is_empty() {
            return Ok(());
        }
        if let Some(parent) = parent.filter(|parent| parent.cancelling() > 0) {
            // The request from outside stays counted, and is delivered at the parent's next await.
            parent.uncancel();
            parent.cancel();
        }
        Err(Error::new(ErrorGroup::new("unhandled errors in a TaskGroup", errors)))
    }
}

impl Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<TaskGroup")?;
        let (tasks, errors) = (self.tasks.borrow().len(), self.errors.borrow().len());
        if tasks > 0 {
            write!(f, " tasks={tasks}")?;
        }
        if errors > 0 {
            write!(f, " errors={errors}")?;
        }
        f.write_str(match (self.aborting.get(), self.entered.get()) {
            (true, _) => " cancelling>",
            (false, true) => " entered>",
            (false, false) => ">",
        })
    }
}

impl Debug for TaskGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl TaskGroup {
    /// A group for `async with`.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// async_fn! {
    ///     async fn program() {
    ///         async with TaskGroup::new() as group {
    ///             group.create_task(sleep(millis(1)));
    ///         } // it is done here
    ///     }
    /// }
    /// coro_core::run(program())?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs `awaitable` as a task of the group.
    ///
    /// A group that was not entered, has ended or is ending gives a task that has failed already; `awaitable` is
    /// closed then.
    ///
    /// # Cancellation
    /// Of the task alone: the group goes on. Of the one who holds the group open: its tasks are cancelled
    /// with it.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// async_fn! {
    ///     async fn program() -> u32 {
    ///         let mut task = None;
    ///         async with TaskGroup::new() as group {
    ///             task = Some(group.create_task(coroutine(|| Ok(6))));
    ///         }
    ///         task.unwrap().result()?
    ///     }
    /// }
    /// assert_eq!(coro_core::run(program())?, 6);
    /// let outside = TaskGroup::new().create_task(coroutine(|| Ok(6)));
    /// assert!(outside.result().unwrap_err().is::<coro_core::RuntimeError>());
    /// # Ok::<(), Error>(())
    /// ```
    #[track_caller]
    pub fn create_task<A>(&self, awaitable: A) -> Task<A::Output>
    where
        A: Awaitable + 'static,
        A::Output: 'static,
    {
        self.create_task_with(TaskBuilder::new(), awaitable)
    }

    /// Ends the group early: cancels its tasks and its block, which is left without an error; as `cancel()` of
    /// asyncio 3.15. A group that was not entered yet is cancelled when it is. Calling it again changes nothing.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// async_fn! {
    ///     async fn first_of_two() {
    ///         async with TaskGroup::new() as group {
    ///             group.create_task(sleep(secs(60)));
    ///             await!(sleep(millis(1)));
    ///             group.cancel(); // the goal is reached
    ///             await!(sleep(secs(60)));
    ///         }
    ///     }
    /// }
    /// # coro_core::RunBuilder::new().virtual_clock()
    /// .run(first_of_two())?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn cancel(&self) {
        if !self.inner.aborting.get() {
            self.inner.abort();
        }
        if self.inner.entered.get() && !self.inner.exiting.get() {
            self.inner.cancel_parent();
        }
    }

    /// As [`create_task`](Self::create_task), with a name, a context or a stack size.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// use coro_core::TaskBuilder;
    /// async_fn! {
    ///     async fn program() {
    ///         async with TaskGroup::new() as group {
    ///             let task = group.create_task_with(TaskBuilder::new().name("cook"), sleep(millis(1)));
    ///             assert_eq!(task.get_name(), "cook");
    ///         }
    ///     }
    /// }
    /// coro_core::run(program())?;
    /// # Ok::<(), Error>(())
    /// ```
    #[track_caller]
    pub fn create_task_with<A>(&self, builder: TaskBuilder, awaitable: A) -> Task<A::Output>
    where
        A: Awaitable + 'static,
        A::Output: 'static,
    {
        let task = builder.create_on(self.inner.check_accepts(), awaitable);
        self.inner.adopt(&task.any_task());
        task
    }
}

impl AsyncContextManager for TaskGroup {
    type Value = TaskGroup;

    fn aenter(&mut self) -> Result<TaskGroup> {
        self.inner.enter()?;
        Ok(self.clone())
    }

    fn aexit(&mut self, error: Option<&Error>) -> Result<bool> {
        // Where the exit raises nothing after a cancellation, the group itself had asked for that one.
        self.inner.exit(error).map(|()| error.is_some_and(Error::is_cancelled))
    }
}
