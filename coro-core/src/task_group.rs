//! Task groups: children that end before the block does, and scopes whose children borrow.
//!
//! The rules of leaving are CPython's `TaskGroup.__aexit__`:
//! 1. The exit waits for all children. An error of a child, or of the block, cancels the other children.
//! 2. A child's error cancels the parent once, if it is still in the block; the exit takes that request back.
//! 3. A cancellation from outside goes on after the exit, unless there are errors, which come first.
//!
//! A [`Scope`] adds one: it does not return, raise or unwind while a child still borrows. Its exit waits in a loop
//! that no cancellation breaks, and it aborts the process if its frame would be unwound all the same.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;

use crate::async_context::AsyncContextManager;
use crate::coroutine::Awaitable;
use crate::error::{Error, ErrorGroup, InvalidState, Result, RuntimeError};
use crate::events::{ExceptionContext, LoopCore, Runnable, running_core};
use crate::fiber::{self, Open, has_driver};
use crate::future::Future;
use crate::task::{AnyTask, Borrowers, Task, TaskBuilder, current_task, spawn_borrowed};

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
    fn run(self: Rc<Self>) {
        self.group.child_done(&self.task);
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TaskGroup._on_task_done()")
    }

    fn callback_name(&self) -> String {
        format!("TaskGroup._on_task_done() at {}:{}", file!(), line!())
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
            return self.child_done(task); // an eager one
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
            self.parent_cancel_requested.set(true);
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
            let waited = all_done.wait_done();
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
        let core = self.inner.check_accepts();
        let accepted = core.is_ok();
        let task = builder.create_on(core, awaitable);
        if accepted {
            self.inner.adopt(&task.any_task());
        }
        task
    }

    /// Runs `f` on this very stack with a scope whose tasks may borrow from the frames around it, and waits for
    /// all of them.
    ///
    /// # Errors
    /// An [`ErrorGroup`] of what the children raised, and `f`; the other children are cancelled first.
    /// [`RuntimeError`] outside a task, and while the thread unwinds from a panic.
    ///
    /// # Cancellation
    /// The children are cancelled, and waited for; then the cancellation goes on.
    ///
    /// # Panics
    /// With the panic of `f`, when all children have ended. A child's panic is an error of that child.
    ///
    /// ```
    /// use coro_core::prelude::*;
    /// coro_core::run(coroutine(|| {
    ///     let mut boiled = [false; 3];
    ///     TaskGroup::scope(|group| {
    ///         for (n, egg) in boiled.iter_mut().enumerate() {
    ///             group.create_task(coroutine(move || {
    ///                 sleep(millis(n as u64)).co_await()?;
    ///                 *egg = true; // borrowed from the frame above
    ///                 Ok(())
    ///             }));
    ///         }
    ///         Ok(())
    ///     })?;
    ///     assert_eq!(boiled, [true; 3]);
    ///     Ok(())
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// What is made inside the closure cannot be borrowed by a child, since it is gone before the child is:
    /// ```compile_fail
    /// # use coro_core::prelude::*;
    /// TaskGroup::scope(|group| {
    ///     let inside = String::new();
    ///     group.create_task(coroutine(|| Ok(inside.len())));
    ///     Ok(())
    /// }).unwrap();
    /// ```
    /// and a child's handle cannot be carried out:
    /// ```compile_fail
    /// # use coro_core::prelude::*;
    /// let mut out = None;
    /// TaskGroup::scope(|group| {
    ///     out = Some(group.create_task(coroutine(|| Ok(1))));
    ///     Ok(())
    /// }).unwrap();
    /// ```
    pub fn scope<'env, T>(f: impl for<'s> FnOnce(&'s Scope<'s, 'env>) -> Result<T>) -> Result<T> {
        if std::thread::panicking() {
            return Err(
                RuntimeError::new("cannot open a scope while the thread is unwinding from a panic").into()
            );
        }
        if fiber::is_unwinding() {
            return Err(RuntimeError::new("cannot open a scope on a stack that is being unwound").into());
        }
        let group = TaskGroup::new();
        group.inner.enter()?;
        let scope = Scope {
            group,
            borrowers: Borrowers::default(),
            open: Rc::new(Open::new()),
            scope: PhantomData,
            env: PhantomData,
        };
        let _no_return = AbortWithBorrowers(&scope.borrowers);
        let body = catch_unwind(AssertUnwindSafe(|| f(&scope)));
        let group = &scope.group.inner;
        match body {
            Ok(Ok(value)) => group.exit(None).map(|()| value),
            Ok(Err(error)) => match group.exit(Some(&error)) {
                Ok(()) => Err(error),
                Err(raised) => Err(raised),
            },
            Err(payload) => {
                let ended = Error::msg("the block of a scope panicked");
                drop(group.exit(Some(&ended)));
                resume_unwind(payload)
            }
        }
    }
}

/// The last line of a scope's defence: its frame must not go while somebody borrows from it.
struct AbortWithBorrowers<'a>(&'a Borrowers);

impl Drop for AbortWithBorrowers<'_> {
    fn drop(&mut self) {
        if self.0.any() {
            crate::report::error("a scope would be left while its tasks still borrow from it: aborting");
            std::process::abort();
        }
    }
}

/// A group whose tasks may borrow, inside [`TaskGroup::scope`].
///
/// ```
/// # use coro_core::prelude::*;
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// use coro_core::Scope;
/// fn add<'s>(group: &'s Scope<'s, '_>, sum: &'s std::cell::Cell<u32>, n: u32) {
///     group.create_task(coroutine(move || Ok(sum.set(sum.get() + n))));
/// }
/// let sum = std::cell::Cell::new(0); // borrowed by the tasks
/// TaskGroup::scope(|group| { add(group, &sum, 1); add(group, &sum, 2); Ok(()) })?;
/// assert_eq!(sum.get(), 3);
/// # Ok(())
/// # })).unwrap();
/// ```
pub struct Scope<'s, 'env: 's> {
    group: TaskGroup,
    borrowers: Borrowers,
    open: Rc<Open>,
    scope: PhantomData<&'s mut &'s ()>,
    env: PhantomData<&'env mut &'env ()>,
}

impl<'s> Scope<'s, '_> {
    /// Runs `awaitable`, which may borrow from the frames around the scope, as a task. In a scope that is
    /// being cancelled it has failed already.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let text = String::from("eggs"); // borrowed by the task
    /// let length = TaskGroup::scope(|group| group.create_task(coroutine(|| Ok(text.len()))).co_await())?;
    /// assert_eq!(length, 4);
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    #[track_caller]
    pub fn create_task<A>(&'s self, awaitable: A) -> ScopedTask<'s, A::Output>
    where
        A: Awaitable + 's, // borrows what is declared before the scope, not in it
        A::Output: 's,
    {
        self.create_task_with(TaskBuilder::new(), awaitable)
    }

    /// As [`create_task`](Self::create_task), with a name, a context or a stack size.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let builder = coro_core::TaskBuilder::new().name("cook");
    /// TaskGroup::scope(|group| {
    ///     let task = group.create_task_with(builder, sleep(secs(1)));
    ///     assert_eq!(task.any_task().get_name(), "cook");
    ///     Ok(())
    /// })?;
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    #[allow(unsafe_code)] // the scope keeps the promise of `spawn_borrowed`
    #[track_caller]
    pub fn create_task_with<A>(&'s self, builder: TaskBuilder, awaitable: A) -> ScopedTask<'s, A::Output>
    where
        A: Awaitable + 's,
        A::Output: 's,
    {
        let slot = Rc::new(Cell::new(None));
        let core = self.group.inner.check_accepts();
        let accepted = core.is_ok();
        self.open.lend(true);
        let open = Rc::clone(&self.open);
        let on_gone = Some(Box::new(move || open.lend(false)) as Box<dyn FnOnce()>);
        // SAFETY: `scope` neither returns nor unwinds before the borrowers are gone: its exit waits for them, and
        // `AbortWithBorrowers` ends the process otherwise. A leaked child keeps this stack lent, hence leaked too.
        let task =
            unsafe { spawn_borrowed(builder, core, awaitable, Rc::clone(&slot), &self.borrowers, on_gone) };
        if accepted {
            self.group.inner.adopt(&task.any_task());
        }
        ScopedTask { task, slot, scope: PhantomData }
    }

    /// Cancels all tasks of the scope.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// TaskGroup::scope(|group| {
    ///     group.create_task(sleep(secs(3600)));
    ///     group.cancel();
    ///     Ok(())
    /// })?;
    /// assert_eq!(get_running_loop()?.time(), Duration::ZERO);
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn cancel(&self) {
        self.group.inner.abort();
    }
}

impl Debug for Scope<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.group.fmt(f)
    }
}

/// A task of a [`Scope`]. Awaiting it takes its result.
///
/// # Errors
/// When awaited: what the task raises; [`InvalidState`] if the result was taken.
///
/// # Cancellation
/// The task is cancelled with the one who awaits it.
///
/// ```
/// # use coro_core::prelude::*;
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// TaskGroup::scope(|group| {
///     let six: coro_core::ScopedTask<'_, u32> = group.create_task(coroutine(|| Ok(6)));
///     assert_eq!(six.co_await()?, 6);
///     Ok(())
/// })?;
/// # Ok(())
/// # })).unwrap();
/// ```
pub struct ScopedTask<'s, T> {
    task: Task<()>,
    slot: Rc<Cell<Option<T>>>,
    scope: PhantomData<&'s ()>,
}

impl<T> ScopedTask<'_, T> {
    /// Whether it has ended.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// TaskGroup::scope(|group| {
    ///     let task = group.create_task(sleep(secs(1)));
    ///     assert!(!task.done());
    ///     sleep(secs(2)).co_await()?;
    ///     assert!(task.done());
    ///     Ok(())
    /// })?;
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn done(&self) -> bool {
        self.task.done()
    }

    /// Whether it has ended by a cancellation.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// TaskGroup::scope(|group| {
    ///     let task = group.create_task(sleep(secs(60)));
    ///     task.cancel();
    ///     sleep(secs(1)).co_await()?;
    ///     assert!(task.cancelled());
    ///     Ok(())
    /// })?;
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn cancelled(&self) -> bool {
        self.task.cancelled()
    }

    /// Asks it to end at its next step. False if it was done.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// TaskGroup::scope(|group| {
    ///     let task = group.create_task(sleep(secs(60)));
    ///     assert!(task.cancel());
    ///     assert!(task.co_await().unwrap_err().is_cancelled()); // the others would go on
    ///     Ok(())
    /// })?;
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn cancel(&self) -> bool {
        self.task.cancel()
    }

    /// Another handle on it, without the type of its result.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// TaskGroup::scope(|group| {
    ///     let task = group.create_task(sleep(secs(1))).any_task();
    ///     task.set_name("nap");
    ///     assert_eq!(coro_core::all_tasks()?[1].get_name(), "nap");
    ///     Ok(())
    /// })?;
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn any_task(&self) -> AnyTask {
        self.task.any_task()
    }
}

impl<T> Awaitable for ScopedTask<'_, T> {
    type Output = T;

    fn co_await(self) -> Result<T> {
        (&self.task).co_await()?;
        self.slot.take().ok_or_else(|| InvalidState::new("the result was taken").into())
    }
}

impl<T> Debug for ScopedTask<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.task.fmt(f)
    }
}

impl AsyncContextManager for TaskGroup {
    type Value = TaskGroup;

    fn aenter(&mut self) -> Result<TaskGroup> {
        self.inner.enter()?;
        Ok(self.clone())
    }

    fn aexit(&mut self, error: Option<&Error>) -> Result<bool> {
        self.inner.exit(error).map(|()| false)
    }
}
