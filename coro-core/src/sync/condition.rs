//! `Condition`: waiting until shared data has changed.

use std::fmt::{self, Debug};
use std::ops::{Deref, DerefMut};

use super::Waiters;
use super::lock::{Lock, LockGuard, Locking};
use crate::async_context::AsyncContextManager;
use crate::coroutine::Awaitable;
use crate::error::{Error, Result, RuntimeError};
use crate::task::past_levels;

/// Data behind a lock, and a way to wait until somebody changed it; `asyncio.Condition`.
///
/// ```
/// use coro_core::{Condition, prelude::*};
/// use std::rc::Rc;
/// coro_core::run(coroutine(|| {
///     let shelf = Rc::new(Condition::new(Vec::new()));
///     let eater = create_task({ let shelf = shelf.clone(); coroutine(move || {
///         let mut eggs = shelf.lock().co_await()?;
///         eggs.wait_for(|eggs| !eggs.is_empty()).co_await()?;
///         Ok(eggs.pop())
///     }) });
///     sleep(millis(1)).co_await()?;
///     let mut eggs = shelf.lock().co_await()?;
///     eggs.push("egg");
///     eggs.notify(1);
///     drop(eggs);
///     assert_eq!(eater.co_await()?, Some("egg"));
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
#[derive(Default)]
pub struct Condition<T: ?Sized = ()> {
    waiters: Waiters,
    lock: Lock<T>,
}

impl<T> Condition<T> {
    /// A condition on `data`; `Condition::new(())` is about something else.
    ///
    /// ```
    /// assert!(!coro_core::Condition::new(0).locked());
    /// ```
    pub fn new(data: T) -> Self {
        Self { waiters: Waiters::default(), lock: Lock::new(data) }
    }
}

impl<T: ?Sized> Condition<T> {
    /// Whether somebody holds the lock.
    ///
    /// ```
    /// use coro_core::{Condition, prelude::*};
    /// coro_core::run(coroutine(|| {
    ///     let condition = Condition::new(0);
    ///     let guard = condition.lock().co_await()?;
    ///     assert!(condition.locked());
    ///     drop(guard);
    ///     Ok(())
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn locked(&self) -> bool {
        self.lock.locked()
    }

    /// Waits until the lock is free, and takes it; `await condition.acquire()`.
    ///
    /// # Errors
    /// When awaited: [`RuntimeError`] if it must wait where nothing can suspend.
    ///
    /// # Cancellation
    /// As that of [`Lock::lock`].
    ///
    /// ```
    /// use coro_core::{Condition, prelude::*};
    /// coro_core::run(coroutine(|| {
    ///     let condition = Condition::new(1);
    ///     *condition.lock().co_await()? += 1;
    ///     assert_eq!(*condition.lock().co_await()?, 2);
    ///     Ok(())
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn lock(&self) -> ConditionLocking<'_, T> {
        ConditionLocking { condition: self, locking: self.lock.lock() }
    }

    /// Looks at the data where nobody uses it at this very moment, without taking the lock.
    pub(super) fn peek<R>(&self, f: impl FnOnce(&T) -> R) -> Option<R> {
        self.lock.peek(f)
    }

    /// Wakes up to `n` who wait, from code that does not hold the guard itself.
    ///
    /// # Errors
    /// [`RuntimeError`] "cannot notify on un-acquired lock" if nobody holds the lock.
    ///
    /// ```
    /// let condition = coro_core::Condition::new(());
    /// assert!(condition.notify(1).is_err());
    /// ```
    pub fn notify(&self, n: usize) -> Result<()> {
        if !self.locked() {
            return Err(RuntimeError::new("cannot notify on un-acquired lock").into());
        }
        self.wake(n);
        Ok(())
    }

    fn wake(&self, n: usize) {
        for waiter in self.waiters.pending(n) {
            waiter.wake();
        }
    }
}

/// What [`Condition::lock`] returns.
///
/// ```
/// # use coro_core::prelude::*;
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// let eggs = coro_core::Condition::new(6);
/// let locking: coro_core::ConditionLocking<'_, u32> = eggs.lock(); // has not begun
/// assert!(!eggs.locked());
/// assert_eq!(*locking.co_await()?, 6);
/// # Ok(())
/// # })).unwrap();
/// ```
#[must_use = "it locks only when it is awaited"]
pub struct ConditionLocking<'a, T: ?Sized> {
    condition: &'a Condition<T>,
    locking: Locking<'a, T>,
}

impl<'a, T: ?Sized> Awaitable for ConditionLocking<'a, T> {
    type Output = ConditionGuard<'a, T>;

    fn co_await(self) -> Result<ConditionGuard<'a, T>> {
        let guard = self.locking.co_await()?;
        Ok(ConditionGuard { condition: self.condition, guard: Some(guard) })
    }
}

/// `async with &condition as data { … }`.
impl<'a, T: ?Sized> AsyncContextManager for &'a Condition<T> {
    type Value = ConditionGuard<'a, T>;

    fn aenter(&mut self) -> Result<ConditionGuard<'a, T>> {
        self.lock().co_await()
    }

    fn aexit(&mut self, _error: Option<&Error>) -> Result<bool> {
        Ok(false)
    }
}

/// The right to use what a [`Condition`] protects, to wait for its change and to tell of one. Dropping it
/// gives the lock back.
///
/// ```
/// # use coro_core::prelude::*;
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// let eggs = coro_core::Condition::new(6);
/// let mut guard: coro_core::ConditionGuard<'_, u32> = eggs.lock().co_await()?;
/// *guard += 1;
/// guard.notify_all();
/// drop(guard);
/// assert!(!eggs.locked());
/// # Ok(())
/// # })).unwrap();
/// ```
pub struct ConditionGuard<'a, T: ?Sized> {
    condition: &'a Condition<T>,
    /// `None` only while it waits, and when it could not get the lock back.
    guard: Option<LockGuard<'a, T>>,
}

impl<'a, T: ?Sized> ConditionGuard<'a, T> {
    /// Gives the lock up, waits to be notified, and takes the lock again; `condition.wait()`.
    ///
    /// # Errors
    /// When awaited: [`RuntimeError`] if it must wait where nothing can suspend. The
    /// lock may be lost then.
    ///
    /// # Cancellation
    /// The lock is held again when the cancellation is raised, and a notification that came goes to the next.
    ///
    /// ```
    /// use coro_core::{Condition, prelude::*};
    /// coro_core::run(coroutine(|| {
    ///     let condition = Condition::new(());
    ///     let mut guard = condition.lock().co_await()?;
    ///     assert!(wait_for(guard.wait(), millis(1)).co_await().unwrap_err().is_timeout());
    ///     assert!(condition.locked()); // it has been taken again
    ///     Ok(())
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn wait(&mut self) -> ConditionWait<'_, 'a, T> {
        ConditionWait { guard: self }
    }

    /// Waits until `predicate` holds; `condition.wait_for(predicate)`.
    ///
    /// # Errors
    /// As those of [`wait`](Self::wait).
    ///
    /// # Cancellation
    /// As that of [`wait`](Self::wait).
    ///
    /// ```
    /// use coro_core::{Condition, prelude::*};
    /// coro_core::run(coroutine(|| {
    ///     let condition = Condition::new(3);
    ///     condition.lock().co_await()?.wait_for(|n| *n > 2).co_await() // holds already
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn wait_for<P>(&mut self, predicate: P) -> ConditionWaitFor<'_, 'a, T, P>
    where
        P: FnMut(&mut T) -> bool,
    {
        ConditionWaitFor { guard: self, predicate }
    }

    /// Wakes up to `n` who wait. They go on when the lock is free.
    ///
    /// ```
    /// use coro_core::{Condition, prelude::*};
    /// coro_core::run(coroutine(|| {
    ///     Condition::new(()).lock().co_await()?.notify(1); // nobody waits: nothing happens
    ///     Ok(())
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn notify(&self, n: usize) {
        self.condition.wake(n);
    }

    /// Wakes all who wait.
    ///
    /// ```
    /// use coro_core::{Condition, prelude::*};
    /// coro_core::run(coroutine(|| {
    ///     Condition::new(()).lock().co_await()?.notify_all();
    ///     Ok(())
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn notify_all(&self) {
        self.condition.wake(usize::MAX);
    }

    fn wait_once(&mut self) -> Result<()> {
        let condition = self.condition;
        drop(self.guard.take());
        let waited = condition.waiters.wait();
        // Whatever came, the lock is taken again; of several cancellations the last is raised.
        let mut cancelled = None;
        let locked = loop {
            match past_levels(|| condition.lock.lock().co_await()) {
                Ok(guard) => break Ok(guard),
                Err(error) if error.is_cancelled() => cancelled = Some(error),
                Err(error) => break Err(error),
            }
        };
        let result = match locked {
            Ok(guard) => {
                self.guard = Some(guard);
                cancelled.map_or(waited, Err)
            }
            Err(error) => Err(error),
        };
        if result.is_err() {
            // We may have been notified as well: the next one gets it.
            condition.wake(1);
        }
        result
    }
}

/// What [`ConditionGuard::wait`] returns.
///
/// ```
/// # use coro_core::prelude::*;
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// let condition = coro_core::Condition::new(());
/// let mut guard = condition.lock().co_await()?;
/// let waiting: coro_core::ConditionWait<'_, '_, ()> = guard.wait(); // still holds the lock
/// assert!(condition.locked());
/// assert!(wait_for(waiting, secs(1)).co_await().unwrap_err().is_timeout());
/// # Ok(())
/// # })).unwrap();
/// ```
#[must_use = "it waits only when it is awaited"]
pub struct ConditionWait<'g, 'a, T: ?Sized> {
    guard: &'g mut ConditionGuard<'a, T>,
}

impl<T: ?Sized> Awaitable for ConditionWait<'_, '_, T> {
    type Output = ();

    fn co_await(self) -> Result<()> {
        self.guard.wait_once()
    }
}

/// What [`ConditionGuard::wait_for`] returns.
///
/// ```
/// # use coro_core::prelude::*;
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// let eggs = coro_core::Condition::new(6);
/// let mut guard = eggs.lock().co_await()?;
/// let enough: coro_core::ConditionWaitFor<'_, '_, _, _> = guard.wait_for(|eggs| *eggs > 5);
/// enough.co_await()?; // holds already
/// # Ok(())
/// # })).unwrap();
/// ```
#[must_use = "it waits only when it is awaited"]
pub struct ConditionWaitFor<'g, 'a, T: ?Sized, P> {
    guard: &'g mut ConditionGuard<'a, T>,
    predicate: P,
}

impl<T: ?Sized, P: FnMut(&mut T) -> bool> Awaitable for ConditionWaitFor<'_, '_, T, P> {
    type Output = ();

    fn co_await(mut self) -> Result<()> {
        while !(self.predicate)(&mut *self.guard) {
            self.guard.wait_once()?;
        }
        Ok(())
    }
}

const LOST: &str = "the lock of a condition could not be taken again after a wait that failed";

/// # Panics
/// If a wait failed for another reason than a cancellation, and the lock could not be taken again.
impl<T: ?Sized> Deref for ConditionGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.guard.as_deref().expect(LOST)
    }
}

impl<T: ?Sized> DerefMut for ConditionGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.guard.as_deref_mut().expect(LOST)
    }
}

impl<T: ?Sized + Debug> Debug for ConditionGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.guard {
            Some(guard) => guard.fmt(f),
            None => f.write_str("<no lock>"),
        }
    }
}

impl<T: ?Sized> Debug for Condition<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.locked() { "locked" } else { "unlocked" };
        match self.waiters.len() {
            0 => write!(f, "<Condition [{state}]>"),
            waiting => write!(f, "<Condition [{state}, waiters:{waiting}]>"),
        }
    }
}
