//! Cancel scopes: blocks whose cancellation holds until they are left; trio's `CancelScope`.
//!
//! Floor: the library. `task.cancel()` raises [`Cancelled`](crate::Cancelled) once, at one await. A scope that is cancelled raises it at every
//! await of its task, until the block is left: code that swallows it comes no further. See `task/levels.rs`.

use std::cell::{Cell, RefCell};
use std::fmt::{self, Debug};
use std::rc::Rc;
use std::time::Duration;

use crate::async_context::AsyncContextManager;
use crate::error::{Elapsed, Error, Result, RuntimeError};
use crate::events::{TimerHandle, get_running_loop};
use crate::fiber::{Open, has_driver};
use crate::task::{AnyTask, Level, current_task};

/// A block of code that can be cancelled as a whole; trio's `CancelScope`. A clone is another handle on the same scope.
///
/// Once it is cancelled, by [`cancel`](Self::cancel) or by its [deadline](Self::set_deadline), every await in the block that would wait
/// raises [`Cancelled`](crate::Cancelled), again and again, and the end of the block catches it. Awaits that need not wait go through, as
/// in asyncio, and what had come already when the scope was cancelled is not lost: the next await raises.
///
/// # Errors
/// What the block raises. Entering is a [`RuntimeError`] outside a task, and for a scope that was entered before.
///
/// # Cancellation
/// The scope catches its own cancellation. A `task.cancel()` from outside, and the cancellation of a scope around it, go on
/// after it, with [`cancelling()`](crate::Task::cancelling) as it was.
///
/// - Under an inner scope that [shields](Self::shield), awaits are not cancelled by the scopes around it. (A `task.cancel()` is
///   raised there all the same.) A shielded scope with a deadline is the place for cleaning up.
/// - In a [`cleanup`](crate::cleanup) the cancellation is held back until that has ended.
/// - A scope belongs to its task. What the task awaits is cancelled once with each await, as by `task.cancel()`: another task that
///   is awaited, and the tasks of a [`TaskGroup`](crate::TaskGroup) opened in the scope, which the exit of the group cancels, and waits for.
/// - Tasks that were made in the scope without a group do not belong to it.
///
/// ```
/// # use coro_core::prelude::*;
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// use coro_core::CancelScope;
/// let mut swallowed = 0;
/// let left = CancelScope::run(|scope| {
///     scope.cancel();
///     for _ in 0..3 {
///         swallowed += u32::from(sleep(secs(1)).co_await().is_err()); // each of them raises
///     }
///     sleep(secs(1)).co_await() // and so does this one
/// })?;
/// assert_eq!((left, swallowed), (None, 3)); // caught
/// sleep(secs(1)).co_await()?; // outside, all is well
/// # Ok(())
/// # })).unwrap();
/// ```
#[derive(Clone)]
pub struct CancelScope {
    inner: Rc<Inner>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Created,
    Entered,
    Left,
}

struct Inner {
    state: Cell<State>,
    level: Rc<Level>,
    deadline: Cell<Option<Duration>>,
    /// A deadline that counts from the moment of entering.
    delay: Cell<Option<Duration>>,
    alarm: RefCell<Option<TimerHandle>>,
    task: RefCell<Option<AnyTask>>,
    /// The task's requests when it was entered.
    entered_with: Cell<usize>,
    caught: Cell<bool>,
    open: RefCell<Option<Open>>,
}

impl Default for CancelScope {
    fn default() -> Self {
        Self::new()
    }
}

impl CancelScope {
    /// A scope without a deadline.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let scope = coro_core::CancelScope::new();
    /// get_running_loop()?.call_later(secs(2), { let scope = scope.clone(); move || scope.cancel() });
    /// assert_eq!(scope.enter(|| sleep(secs(60)).co_await())?, None);
    /// assert_eq!(get_running_loop()?.time(), secs(2));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn new() -> Self {
        Self::with(None, None)
    }

    /// A scope that is cancelled `delay` after it is entered.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let scope = coro_core::CancelScope::after(secs(2));
    /// sleep(secs(1)).co_await()?;
    /// scope.enter(|| sleep(secs(60)).co_await())?;
    /// assert_eq!(get_running_loop()?.time(), secs(3));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn after(delay: Duration) -> Self {
        Self::with(None, Some(delay))
    }

    /// A scope that is cancelled at `when` by the loop's clock.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let scope = coro_core::CancelScope::at(secs(2));
    /// scope.enter(|| sleep(secs(60)).co_await())?;
    /// assert_eq!(get_running_loop()?.time(), secs(2));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn at(when: Duration) -> Self {
        Self::with(Some(when), None)
    }

    fn with(deadline: Option<Duration>, delay: Option<Duration>) -> Self {
        let inner = Inner {
            state: Cell::new(State::Created),
            level: Rc::default(),
            deadline: Cell::new(deadline),
            delay: Cell::new(delay),
            alarm: RefCell::default(),
            task: RefCell::default(),
            entered_with: Cell::new(0),
            caught: Cell::new(false),
            open: RefCell::default(),
        };
        Self { inner: Rc::new(inner) }
    }

    /// This scope, which shields its block from the scopes around it, or no longer does.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// use coro_core::CancelScope;
    /// coro_core::move_on_after(secs(1), |_| {
    ///     let result = sleep(secs(60)).co_await();
    ///     CancelScope::after(secs(5)).shield(true).enter(|| sleep(secs(2)).co_await())?; // says goodbye
    ///     result
    /// })?;
    /// assert_eq!(get_running_loop()?.time(), secs(3));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    #[must_use = "gives the scope back; `set_shield` changes one in place"]
    pub fn shield(self, on: bool) -> Self {
        self.set_shield(on);
        self
    }

    /// As [`shield`](Self::shield), also for a scope that is entered: one that shields no longer lets the cancellation
    /// of the scopes around it in at once.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// coro_core::CancelScope::run(|outer| {
    ///     outer.cancel();
    ///     coro_core::CancelScope::run(|inner| {
    ///         inner.set_shield(true);
    ///         sleep(secs(1)).co_await()?;
    ///         inner.set_shield(false);
    ///         assert!(sleep(secs(1)).co_await().is_err());
    ///         Ok(())
    ///     })
    /// })?;
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn set_shield(&self, on: bool) {
        let task = self.inner.task.borrow().clone();
        match task {
            Some(task) => task.set_shield(&self.inner.level, on),
            None => self.inner.level.set(self.cancel_called(), on),
        }
    }

    /// Cancels the block: every await in it raises [`Cancelled`](crate::Cancelled) from now on. Before it is entered, that
    /// holds from its beginning; after it was left, nothing happens.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let left = coro_core::CancelScope::run(|scope| {
    ///     scope.cancel();
    ///     Ok("no await, nothing to be raised")
    /// })?;
    /// assert!(left.is_some());
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn cancel(&self) {
        let inner = &self.inner;
        if inner.state.get() == State::Left || inner.level.is_up() {
            return;
        }
        inner.stop_alarm();
        let task = inner.task.borrow().clone();
        match task {
            Some(task) => task.put_up(&inner.level),
            None => inner.level.set(true, inner.level.shields()),
        }
    }

    /// Whether it was cancelled, by a call or by its deadline.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let scope = coro_core::CancelScope::after(secs(1));
    /// assert!(!scope.cancel_called());
    /// scope.enter(|| sleep(secs(2)).co_await())?;
    /// assert!(scope.cancel_called());
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn cancel_called(&self) -> bool {
        self.inner.level.is_up()
    }

    /// Whether the block was ended by the scope's cancellation, and the end of the block caught it. A block that ends in
    /// time, or swallows the cancellation and ends, was not.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let scope = coro_core::CancelScope::after(secs(1));
    /// scope.enter(|| { let _ = sleep(secs(2)).co_await(); Ok(()) })?;
    /// assert!(scope.cancel_called() && !scope.cancelled_caught());
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn cancelled_caught(&self) -> bool {
        self.inner.caught.get()
    }

    /// When it is cancelled, by the loop's clock. `None` without a deadline, and before a delay has begun.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// coro_core::move_on_after(secs(5), |scope| {
    ///     assert_eq!(scope.deadline(), Some(secs(5)));
    ///     Ok(())
    /// })?;
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn deadline(&self) -> Option<Duration> {
        self.inner.deadline.get()
    }

    /// Moves the deadline to `when` by the loop's clock; `None` takes it away. One that has passed cancels at once. A
    /// scope that was cancelled stays cancelled.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let done = coro_core::move_on_after(secs(1), |scope| {
    ///     scope.set_deadline(Some(secs(100)));
    ///     sleep(secs(60)).co_await()
    /// })?;
    /// assert!(done.is_some());
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn set_deadline(&self, when: Option<Duration>) {
        let inner = &self.inner;
        inner.deadline.set(when);
        inner.delay.set(None);
        inner.stop_alarm();
        let task = inner.task.borrow().clone();
        let (Some(task), Some(when)) = (task, when.filter(|_| !self.cancel_called())) else { return };
        let Some(event_loop) = task.get_loop() else { return };
        if when <= event_loop.time() {
            return self.cancel();
        }
        let scope = self.clone();
        *inner.alarm.borrow_mut() = Some(event_loop.call_at(when, move || scope.cancel()));
    }

    /// Runs `f` on this very stack inside the scope; `with scope:`. `None` if the scope was cancelled and has caught it.
    ///
    /// # Errors
    /// What `f` raises, but for the scope's own cancellation. [`RuntimeError`] outside a task, and if the scope was entered before.
    ///
    /// # Cancellation
    /// As [`CancelScope`].
    ///
    /// # Panics
    /// With the panic of `f`; the scope is left then.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let scope = coro_core::CancelScope::new();
    /// assert_eq!(scope.enter(|| Ok(6))?, Some(6));
    /// assert!(scope.enter(|| Ok(6)).is_err()); // once only
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn enter<T>(&self, f: impl FnOnce() -> Result<T>) -> Result<Option<T>> {
        match self.call(f)? {
            Ok(value) => Ok(Some(value)),
            Err(_caught) => Ok(None),
        }
    }

    /// As [`enter`](Self::enter), of a new scope, which `f` is given.
    ///
    /// # Errors
    /// As [`enter`](Self::enter).
    ///
    /// # Cancellation
    /// As [`CancelScope`].
    ///
    /// # Panics
    /// As [`enter`](Self::enter).
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let first = std::cell::Cell::new(None);
    /// coro_core::CancelScope::run(|scope| {
    ///     TaskGroup::scope(|group| {
    ///         for n in [3, 1, 2] {
    ///             let first = &first;
    ///             group.create_task(coroutine(move || {
    ///                 sleep(secs(n)).co_await()?;
    ///                 first.set(Some(n));
    ///                 scope.cancel(); // the others are not needed
    ///                 Ok(())
    ///             }));
    ///         }
    ///         Ok(())
    ///     })
    /// })?;
    /// assert_eq!((first.get(), get_running_loop()?.time()), (Some(1), secs(1)));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn run<T>(f: impl FnOnce(&CancelScope) -> Result<T>) -> Result<Option<T>> {
        let scope = Self::new();
        scope.enter(|| f(&scope))
    }

    /// Runs `f` in the scope. The inner error is the cancellation that was caught.
    fn call<T>(&self, f: impl FnOnce() -> Result<T>) -> Result<std::result::Result<T, Error>> {
        /// Leaves the scope when a panic passes.
        struct Leave<'a>(&'a CancelScope);
        impl Drop for Leave<'_> {
            fn drop(&mut self) {
                self.0.leave(None);
            }
        }
        self.open()?;
        let leave = Leave(self);
        let result = f();
        std::mem::forget(leave);
        match (self.leave(result.as_ref().err()), result) {
            (_, Ok(value)) => Ok(Ok(value)),
            (true, Err(error)) => Ok(Err(error)),
            (false, Err(error)) => Err(error),
        }
    }

    fn open(&self) -> Result<()> {
        let inner = &self.inner;
        if inner.state.get() != State::Created {
            return Err(RuntimeError::new("CancelScope has already been entered").into());
        }
        let Some(task) = current_task().filter(|_| has_driver()) else {
            return Err(RuntimeError::new("CancelScope should be used inside a task").into());
        };
        let now = get_running_loop()?.time();
        inner.state.set(State::Entered);
        inner.entered_with.set(task.cancelling());
        task.enter_level(&inner.level);
        *inner.task.borrow_mut() = Some(task);
        *inner.open.borrow_mut() = Some(Open::new());
        let deadline = inner.delay.get().map(|delay| now.saturating_add(delay)).or(inner.deadline.get());
        self.set_deadline(deadline);
        Ok(())
    }

    /// Leaves the block. Gives whether `error` is the scope's own cancellation.
    fn leave(&self, error: Option<&Error>) -> bool {
        let inner = &self.inner;
        if inner.state.replace(State::Left) != State::Entered {
            return false;
        }
        inner.stop_alarm();
        let (open, task) = (inner.open.take(), inner.task.take());
        drop(open);
        let own = task.is_some_and(|task| task.leave_level(&inner.level, inner.entered_with.get()));
        let caught = own && error.is_some_and(Error::is_cancelled);
        inner.caught.set(caught);
        caught
    }
}

impl Inner {
    fn stop_alarm(&self) {
        let alarm = self.alarm.take();
        if let Some(alarm) = alarm {
            alarm.cancel();
        }
    }
}

impl AsyncContextManager for CancelScope {
    type Value = CancelScope;

    fn aenter(&mut self) -> Result<CancelScope> {
        self.open()?;
        Ok(self.clone())
    }

    fn aexit(&mut self, error: Option<&Error>) -> Result<bool> {
        Ok(self.leave(error))
    }
}

impl Debug for CancelScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.inner.state.get() {
            State::Created => "<CancelScope [unentered]",
            State::Entered => "<CancelScope [active]",
            State::Left => "<CancelScope [exited]",
        })?;
        if let Some(deadline) = self.deadline() {
            write!(f, " deadline={:?}", deadline.as_secs_f64())?;
        }
        f.write_str(if self.inner.level.shields() { " shield" } else { "" })?;
        f.write_str(if self.cancel_called() { " cancelled>" } else { ">" })
    }
}

/// Runs `f` on this very stack in a [`CancelScope`] that is cancelled after `delay`; trio's `move_on_after`. `None` if that
/// has ended it (or a call of [`CancelScope::cancel`]).
///
/// # Errors
/// As [`CancelScope::enter`].
///
/// # Cancellation
/// As [`CancelScope`].
///
/// # Panics
/// As [`CancelScope::enter`].
///
/// ```
/// # use coro_core::prelude::*;
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// use coro_core::move_on_after;
/// assert_eq!(move_on_after(secs(5), |_| { sleep(secs(1)).co_await()?; Ok(6) })?, Some(6));
/// assert_eq!(move_on_after(secs(5), |_| { sleep(secs(9)).co_await()?; Ok(6) })?, None);
/// # Ok(())
/// # })).unwrap();
/// ```
pub fn move_on_after<T>(delay: Duration, f: impl FnOnce(&CancelScope) -> Result<T>) -> Result<Option<T>> {
    let scope = CancelScope::after(delay);
    scope.enter(|| f(&scope))
}

/// As [`move_on_after`], at `when` by the loop's clock; trio's `move_on_at`.
///
/// # Errors
/// As [`CancelScope::enter`].
///
/// # Cancellation
/// As [`CancelScope`].
///
/// # Panics
/// As [`CancelScope::enter`].
///
/// ```
/// # use coro_core::prelude::*;
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// let now = get_running_loop()?.time();
/// assert_eq!(coro_core::move_on_at(now + secs(5), |_| sleep(secs(9)).co_await())?, None);
/// # Ok(())
/// # })).unwrap();
/// ```
pub fn move_on_at<T>(when: Duration, f: impl FnOnce(&CancelScope) -> Result<T>) -> Result<Option<T>> {
    let scope = CancelScope::at(when);
    scope.enter(|| f(&scope))
}

/// As [`move_on_after`], but raises [`Elapsed`] where that gives `None`; trio's `fail_after`.
///
/// Other than with [`timeout`](crate::timeout), `f` cannot outlive the limit by swallowing the cancellation.
///
/// # Errors
/// As [`CancelScope::enter`]; [`Elapsed`], caused by the cancellation, if the scope has caught that.
///
/// # Cancellation
/// As [`CancelScope`].
///
/// # Panics
/// As [`CancelScope::enter`].
///
/// ```
/// # use coro_core::prelude::*;
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// assert!(coro_core::fail_after(secs(5), |_| sleep(secs(9)).co_await()).unwrap_err().is_timeout());
/// # Ok(())
/// # })).unwrap();
/// ```
pub fn fail_after<T>(delay: Duration, f: impl FnOnce(&CancelScope) -> Result<T>) -> Result<T> {
    fail(&CancelScope::after(delay), f)
}

/// As [`fail_after`], at `when` by the loop's clock; trio's `fail_at`.
///
/// # Errors
/// As [`fail_after`].
///
/// # Cancellation
/// As [`CancelScope`].
///
/// # Panics
/// As [`CancelScope::enter`].
///
/// ```
/// # use coro_core::prelude::*;
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// assert!(coro_core::fail_at(secs(5), |_| sleep(secs(9)).co_await()).unwrap_err().is_timeout());
/// # Ok(())
/// # })).unwrap();
/// ```
pub fn fail_at<T>(when: Duration, f: impl FnOnce(&CancelScope) -> Result<T>) -> Result<T> {
    fail(&CancelScope::at(when), f)
}

fn fail<T>(scope: &CancelScope, f: impl FnOnce(&CancelScope) -> Result<T>) -> Result<T> {
    scope.call(|| f(scope))?.map_err(|caught| Error::caused_by(Elapsed, caught))
}
