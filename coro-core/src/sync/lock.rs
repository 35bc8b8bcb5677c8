//! `Lock`: one task at a time, with the data it protects.

use std::cell::{Cell, RefCell, RefMut};
use std::fmt::{self, Debug};
use std::ops::{Deref, DerefMut};

use super::Waiters;
use crate::async_context::AsyncContextManager;
use crate::coroutine::Awaitable;
use crate::error::{Error, Result};

/// Data that one task at a time may use, also across awaits; `asyncio.Lock`.
///
/// Who waits gets it in the order of coming.
///
/// ```
/// use coro_core::prelude::*;
/// use std::rc::Rc;
/// coro_core::run(coroutine(|| {
///     let total = Rc::new(Lock::new(0));
///     let add = |n| { let total = total.clone(); coroutine(move || {
///         let mut total = total.lock().co_await()?;
///         let before = *total;
///         sleep(millis(1)).co_await()?; // nobody else gets in
///         *total = before + n;
///         Ok(())
///     }) };
///     gather((1..=3).map(add)).co_await()?;
///     assert_eq!(*total.lock().co_await()?, 6);
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
#[derive(Default)]
pub struct Lock<T: ?Sized = ()> {
    locked: Cell<bool>,
    waiters: Waiters,
    data: RefCell<T>,
}

impl<T> Lock<T> {
    /// An unlocked lock around `data`; `Lock::new(())` protects something else.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// let eggs = Lock::new(6);
    /// assert!(!eggs.locked());
    /// ```
    pub fn new(data: T) -> Self {
        Self { locked: Cell::new(false), waiters: Waiters::default(), data: RefCell::new(data) }
    }

    /// The data.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// assert_eq!(Lock::new(6).into_inner(), 6);
    /// ```
    pub fn into_inner(self) -> T {
        self.data.into_inner()
    }
}

impl<T: ?Sized> Lock<T> {
    /// Whether somebody holds it.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let lock = Lock::new(());
    /// let guard = lock.lock().co_await()?;
    /// assert!(lock.locked());
    /// drop(guard);
    /// assert!(!lock.locked());
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn locked(&self) -> bool {
        self.locked.get()
    }

    /// Waits until it is free, and takes it; `await lock.acquire()`. Dropping the guard gives it back.
    ///
    /// # Errors
    /// When awaited: [`RuntimeError`](crate::RuntimeError) if it must wait where nothing can suspend.
    ///
    /// # Cancellation
    /// The place in the queue is lost; a turn that came at the same moment goes to the next.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let eggs = Lock::new(0);
    /// TaskGroup::scope(|group| {
    ///     for _ in 0..2 {
    ///         group.create_task(coroutine(|| {
    ///             let mut eggs = eggs.lock().co_await()?;
    ///             sleep(secs(1)).co_await()?; // nobody else gets in
    ///             *eggs += 1;
    ///             Ok(())
    ///         }));
    ///     }
    ///     Ok(())
    /// })?;
    /// assert_eq!((*eggs.lock().co_await()?, get_running_loop()?.time()), (2, secs(2)));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn lock(&self) -> Locking<'_, T> {
        Locking { lock: self }
    }

    /// Takes it if it is free and nobody waits; works outside a loop as well.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// let eggs = Lock::new(6);
    /// let guard = eggs.try_lock().unwrap();
    /// assert!(eggs.try_lock().is_none());
    /// assert_eq!(*guard, 6);
    /// ```
    pub fn try_lock(&self) -> Option<LockGuard<'_, T>> {
        (!self.locked.get() && self.waiters.all_cancelled()).then(|| self.take())
    }

    /// The data, for who owns the lock alone.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// let mut eggs = Lock::new(6);
    /// *eggs.get_mut() += 1;
    /// assert_eq!(eggs.into_inner(), 7);
    /// ```
    pub fn get_mut(&mut self) -> &mut T {
        self.data.get_mut()
    }

    /// Looks at the data, unless somebody holds a guard of it.
    pub(super) fn peek<R>(&self, f: impl FnOnce(&T) -> R) -> Option<R> {
        self.data.try_borrow().ok().map(|data| f(&data))
    }

    fn take(&self) -> LockGuard<'_, T> {
        self.locked.set(true);
        LockGuard { data: Some(self.data.borrow_mut()), lock: self }
    }

    fn wake_first(&self) {
        if let Some(first) = self.waiters.first() {
            first.wake();
        }
    }
}

/// What [`Lock::lock`] returns.
///
/// ```
/// # use coro_core::prelude::*;
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// let eggs = Lock::new(6);
/// let locking: coro_core::Locking<'_, u32> = eggs.lock(); // has not begun
/// assert!(!eggs.locked());
/// assert_eq!(*locking.co_await()?, 6);
/// # Ok(())
/// # })).unwrap();
/// ```
#[must_use = "it locks only when it is awaited"]
pub struct Locking<'a, T: ?Sized> {
    lock: &'a Lock<T>,
}

impl<'a, T: ?Sized> Awaitable for Locking<'a, T> {
    type Output = LockGuard<'a, T>;

    #[inline(always)] // see `suspend`
    fn co_await(self) -> Result<LockGuard<'a, T>> {
        let lock = self.lock;
        if let Some(guard) = lock.try_lock() {
            return Ok(guard);
        }
        if let Err(error) = lock.waiters.wait() {
            if !lock.locked.get() {
                lock.wake_first();
            }
            return Err(error);
        }
        Ok(lock.take())
    }
}

/// The right to use what a [`Lock`] protects. Dropping it wakes the next; `lock.release()`.
///
/// ```
/// # use coro_core::prelude::*;
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// let eggs = Lock::new(6);
/// let mut guard: LockGuard<'_, u32> = eggs.lock().co_await()?;
/// *guard += 1;
/// drop(guard);
/// assert_eq!(eggs.into_inner(), 7);
/// # Ok(())
/// # })).unwrap();
/// ```
pub struct LockGuard<'a, T: ?Sized> {
    data: Option<RefMut<'a, T>>,
    lock: &'a Lock<T>,
}

impl<T: ?Sized> Deref for LockGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        match &self.data {
            Some(data) => data,
            None => unreachable!("only dropping takes it out"),
        }
    }
}

impl<T: ?Sized> DerefMut for LockGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        match &mut self.data {
            Some(data) => data,
            None => unreachable!("only dropping takes it out"),
        }
    }
}

impl<T: ?Sized> Drop for LockGuard<'_, T> {
    fn drop(&mut self) {
        drop(self.data.take());
        self.lock.locked.set(false);
        self.lock.wake_first();
    }
}

impl<T: ?Sized + Debug> Debug for LockGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// `async with &lock as data { … }`: the guard is what the block gets, and drops.
impl<'a, T: ?Sized> AsyncContextManager for &'a Lock<T> {
    type Value = LockGuard<'a, T>;

    fn aenter(&mut self) -> Result<LockGuard<'a, T>> {
        self.lock().co_await()
    }

    fn aexit(&mut self, _error: Option<&Error>) -> Result<bool> {
        Ok(false)
    }
}

/// `async with lock.lock() as data { … }`, where the lock is shared.
impl<'a, T: ?Sized> AsyncContextManager for Locking<'a, T> {
    type Value = LockGuard<'a, T>;

    fn aenter(&mut self) -> Result<LockGuard<'a, T>> {
        self.lock.lock().co_await()
    }

    fn aexit(&mut self, _error: Option<&Error>) -> Result<bool> {
        Ok(false)
    }
}

impl<T: ?Sized> Debug for Lock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.locked() { "locked" } else { "unlocked" };
        match self.waiters.len() {
            0 => write!(f, "<Lock [{state}]>"),
            waiting => write!(f, "<Lock [{state}, waiters:{waiting}]>"),
        }
    }
}
