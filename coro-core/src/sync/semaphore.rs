//! `Semaphore`: so many tasks at a time.

use std::cell::Cell;
use std::fmt::{self, Debug};

use super::Waiters;
use crate::async_context::AsyncContextManager;
use crate::coroutine::Awaitable;
use crate::error::{Error, Result, ValueError};
use crate::report;

/// Lets so many tasks through at a time; `asyncio.Semaphore`.
///
/// ```
/// use coro_core::prelude::*;
/// use std::rc::Rc;
/// coro_core::run(coroutine(|| {
///     let two = Rc::new(Semaphore::new(2));
///     let first = two.acquire().co_await()?;
///     let _second = two.acquire().co_await()?;
///     assert!(two.locked());
///     drop(first);
///     assert!(!two.locked());
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
pub struct Semaphore {
    value: Cell<usize>,
    /// How many permits there may be; only a bounded semaphore has a limit.
    bound: usize,
    waiters: Waiters,
}

impl Default for Semaphore {
    fn default() -> Self {
        Self::new(1)
    }
}

impl Semaphore {
    /// A semaphore with so many permits.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// assert!(!Semaphore::new(1).locked() && Semaphore::new(0).locked());
    /// ```
    pub fn new(permits: usize) -> Self {
        Self { value: Cell::new(permits), bound: usize::MAX, waiters: Waiters::default() }
    }

    /// Whether the next to come would have to wait.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let one = Semaphore::new(1);
    /// let permit = one.acquire().co_await()?;
    /// assert!(one.locked());
    /// drop(permit);
    /// assert!(!one.locked());
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn locked(&self) -> bool {
        self.value.get() == 0 || !self.waiters.all_cancelled()
    }

    /// Waits for a permit. Dropping the [`Permit`] gives it back.
    ///
    /// # Errors
    /// When awaited: [`RuntimeError`](crate::RuntimeError) if it must wait where nothing can suspend.
    ///
    /// # Cancellation
    /// The place in the queue is lost; a permit that came at the same moment goes to the next.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let two = Semaphore::new(2);
    /// TaskGroup::scope(|group| {
    ///     for _ in 0..4 {
    ///         group.create_task(coroutine(|| {
    ///             let _permit = two.acquire().co_await()?;
    ///             sleep(secs(1)).co_await()
    ///         }));
    ///     }
    ///     Ok(())
    /// })?;
    /// assert_eq!(get_running_loop()?.time(), secs(2)); // two at a time
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn acquire(&self) -> Acquire<'_> {
        Acquire { semaphore: self }
    }

    /// Adds a permit, as one that was [forgotten](Permit::forget) is given back. There may be more than it
    /// began with, up to `usize::MAX`.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let semaphore = Semaphore::new(0);
    /// semaphore.release();
    /// let _permit = semaphore.acquire().co_await()?;
    /// assert!(semaphore.locked());
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn release(&self) {
        self.value.set(self.value.get().saturating_add(1));
        self.wake_next();
    }

    fn check_bound(&self) -> Result<()> {
        match self.value.get() >= self.bound {
            true => Err(ValueError::new("BoundedSemaphore released too many times").into()),
            false => Ok(()),
        }
    }

    /// Gives one permit to the first who waits; false if nobody does.
    fn wake_next(&self) -> bool {
        let Some(first) = self.waiters.first_pending() else { return false };
        self.value.set(self.value.get() - 1);
        first.wake();
        true
    }
}

/// What [`Semaphore::acquire`] returns.
///
/// ```
/// # use coro_core::prelude::*;
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// let one = Semaphore::new(1);
/// let acquiring: coro_core::Acquire<'_> = one.acquire(); // has not begun
/// assert!(!one.locked());
/// let _permit = acquiring.co_await()?;
/// assert!(one.locked());
/// # Ok(())
/// # })).unwrap();
/// ```
#[must_use = "it acquires only when it is awaited"]
pub struct Acquire<'a> {
    semaphore: &'a Semaphore,
}

impl<'a> Awaitable for Acquire<'a> {
    type Output = Permit<'a>;

    #[inline(always)] // see `suspend`
    fn co_await(self) -> Result<Permit<'a>> {
        let semaphore = self.semaphore;
        if !semaphore.locked() {
            semaphore.value.set(semaphore.value.get() - 1);
            return Ok(Permit { semaphore });
        }
        let result = semaphore.waiters.wait_as((), |()| semaphore.release());
        // Those who came meanwhile had to queue up, even where there was a permit.
        while semaphore.value.get() > 0 && semaphore.wake_next() {}
        result.map(|()| Permit { semaphore })
    }
}

/// The right to be among so many; dropping it gives it back.
///
/// ```
/// # use coro_core::prelude::*;
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// let one = Semaphore::new(1);
/// let permit: coro_core::Permit<'_> = one.acquire().co_await()?;
/// drop(permit);
/// assert!(!one.locked());
/// # Ok(())
/// # })).unwrap();
/// ```
pub struct Permit<'a> {
    semaphore: &'a Semaphore,
}

impl Permit<'_> {
    /// Keeps the permit beyond this value: [`Semaphore::release`] gives it back.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let one = Semaphore::new(1);
    /// one.acquire().co_await()?.forget();
    /// assert!(one.locked());
    /// one.release();
    /// assert!(!one.locked());
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn forget(self) {
        std::mem::forget(self);
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.semaphore.check_bound() {
            return report::unraisable(error); // somebody has released it as well
        }
        self.semaphore.release();
    }
}

impl Debug for Permit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<Permit of {:?}>", self.semaphore)
    }
}

/// `async with &semaphore { … }`.
impl<'a> AsyncContextManager for &'a Semaphore {
    type Value = Permit<'a>;

    fn aenter(&mut self) -> Result<Permit<'a>> {
        self.acquire().co_await()
    }

    fn aexit(&mut self, _error: Option<&Error>) -> Result<bool> {
        Ok(false)
    }
}

/// `async with semaphore.acquire() { … }`, where the semaphore is shared.
impl<'a> AsyncContextManager for Acquire<'a> {
    type Value = Permit<'a>;

    fn aenter(&mut self) -> Result<Permit<'a>> {
        self.semaphore.acquire().co_await()
    }

    fn aexit(&mut self, _error: Option<&Error>) -> Result<bool> {
        Ok(false)
    }
}

impl Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state =
            if self.locked() { "locked".to_owned() } else { format!("unlocked, value:{}", self.value.get()) };
        match self.waiters.len() {
            0 => write!(f, "<Semaphore [{state}]>"),
            waiting => write!(f, "<Semaphore [{state}, waiters:{waiting}]>"),
        }
    }
}

/// A semaphore that refuses more permits than it began with; `asyncio.BoundedSemaphore`.
///
/// ```
/// use coro_core::prelude::*;
/// let one = coro_core::BoundedSemaphore::new(1);
/// assert_eq!(one.release().unwrap_err().to_string(), "BoundedSemaphore released too many times");
/// ```
pub struct BoundedSemaphore {
    semaphore: Semaphore,
}

impl BoundedSemaphore {
    /// A semaphore with so many permits at most.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// let two = coro_core::BoundedSemaphore::new(2);
    /// assert!(!two.locked());
    /// assert!(two.release().is_err()); // all are there
    /// ```
    pub fn new(permits: usize) -> Self {
        Self { semaphore: Semaphore { bound: permits, ..Semaphore::new(permits) } }
    }

    /// As [`Semaphore::locked`].
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// assert!(coro_core::BoundedSemaphore::new(0).locked());
    /// ```
    pub fn locked(&self) -> bool {
        self.semaphore.locked()
    }

    /// As [`Semaphore::acquire`].
    ///
    /// # Errors
    /// As there.
    ///
    /// # Cancellation
    /// As there.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let one = coro_core::BoundedSemaphore::new(1);
    /// let _permit = one.acquire().co_await()?;
    /// assert!(one.locked());
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn acquire(&self) -> Acquire<'_> {
        self.semaphore.acquire()
    }

    /// As [`Semaphore::release`].
    ///
    /// # Errors
    /// [`ValueError`] if all permits are there already.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let one = coro_core::BoundedSemaphore::new(1);
    /// one.acquire().co_await()?.forget();
    /// one.release()?;
    /// assert!(one.release().unwrap_err().is::<coro_core::ValueError>());
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn release(&self) -> Result<()> {
        self.semaphore.check_bound()?;
        self.semaphore.release();
        Ok(())
    }
}

impl Debug for BoundedSemaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<BoundedSemaphore of {:?}>", self.semaphore)
    }
}
