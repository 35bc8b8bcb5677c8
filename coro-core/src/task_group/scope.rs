//! Scopes: groups whose children borrow.
//!
//! Floor: the library. To the rules of groups a [`Scope`] adds one:
//! 4. It does not return, raise or unwind while a child still borrows. Its exit waits in a loop that no
//!    cancellation breaks, and it aborts the process if its frame would be unwound all the same.

use std::cell::Cell;
use std::fmt::{self, Debug};
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;

use super::TaskGroup;
use crate::coroutine::Awaitable;
use crate::error::{Error, InvalidState, Result, RuntimeError};
use crate::fiber::{self, Open};
use crate::task::{AnyTask, Borrowers, Task, TaskBuilder, spawn_borrowed};

impl TaskGroup {
    /// Runs `f` on this very stack with a scope whose tasks may borrow from the frames around it, and waits for
    /// all of them.
    ///
    /// # Errors
    /// An [`ErrorGroup`](crate::ErrorGroup) of what the children raised, and `f`; the other children are cancelled
    /// first.
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
    pub(super) group: TaskGroup,
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
        self.open.lend(true);
        let open = Rc::clone(&self.open);
        let on_gone = Some(Box::new(move || open.lend(false)) as Box<dyn FnOnce()>);
        // SAFETY: `scope` neither returns nor unwinds before the borrowers are gone: its exit waits for them, and
        // `AbortWithBorrowers` ends the process otherwise. A leaked child keeps this stack lent, hence leaked too.
        let task =
            unsafe { spawn_borrowed(builder, core, awaitable, Rc::clone(&slot), &self.borrowers, on_gone) };
        self.group.inner.adopt(&task.any_task());
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
