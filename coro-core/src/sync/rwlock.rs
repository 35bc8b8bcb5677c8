//! `RwLock`: many read, or one writes.

use std::cell::{Cell, Ref, RefCell, RefMut};
use std::fmt::{self, Debug};
use std::ops::{Deref, DerefMut};

use super::Waiters;
use crate::async_context::AsyncContextManager;
use crate::coroutine::Awaitable;
use crate::error::{Error, Result};

/// Data that many tasks may read, or one may change, also across awaits; tokio's `RwLock`.
///
/// Who waits gets it in the order of coming. A writer who waits holds back the readers that come after it, so that
/// no writer waits for ever. It follows that a task which reads must not ask to read once more: if a writer
/// came in between, both wait for ever.
///
/// ```
/// use coro_core::{RwLock, prelude::*};
/// coro_core::run(coroutine(|| {
///     let menu = RwLock::new(vec!["egg"]);
///     TaskGroup::scope(|group| {
///         for _ in 0..2 {
///             group.create_task(coroutine(|| {
///                 let menu = menu.read().co_await()?;
///                 sleep(millis(1)).co_await()?; // the other reads at the same time
///                 assert_eq!(menu.len(), 1);
///                 Ok(())
///             }));
///         }
///         sleep(Duration::ZERO).co_await()?; // they begin
///         menu.write().co_await()?.push("toast"); // waits for both
///         Ok(())
///     })?;
///     assert_eq!(menu.into_inner(), ["egg", "toast"]);
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
///
/// It stays on its thread:
/// ```compile_fail
/// let lock = coro_core::RwLock::new(1);
/// std::thread::scope(|scope| { scope.spawn(|| drop(lock.try_read())); });
/// ```
#[derive(Default)]
pub struct RwLock<T: ?Sized = ()> {
    readers: Cell<usize>,
    writing: Cell<bool>,
    waiters: Waiters<For>,
    data: RefCell<T>,
}

/// What somebody waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum For {
    Reading,
    Writing,
}

impl<T> RwLock<T> {
    /// A lock that nobody holds.
    ///
    /// ```
    /// assert!(coro_core::RwLock::new(6).try_write().is_some());
    /// ```
    pub fn new(data: T) -> Self {
        Self {
            readers: Cell::new(0),
            writing: Cell::new(false),
            waiters: Waiters::default(),
            data: RefCell::new(data),
        }
    }

    /// The data.
    ///
    /// ```
    /// assert_eq!(coro_core::RwLock::new(6).into_inner(), 6);
    /// ```
    pub fn into_inner(self) -> T {
        self.data.into_inner()
    }
}

impl<T: ?Sized> RwLock<T> {
    /// Waits until nobody writes, and reads. Dropping the guard ends it.
    ///
    /// # Errors
    /// When awaited: [`RuntimeError`](crate::RuntimeError) if it must wait where nothing can suspend.
    ///
    /// # Cancellation
    /// The place in the queue is lost; a turn that came at the same moment goes to the next.
    ///
    /// ```
    /// # use coro_core::{RwLock, prelude::*};
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let eggs = RwLock::new(6);
    /// let one = eggs.read().co_await()?;
    /// let another = eggs.read().co_await()?; // at the same time
    /// assert_eq!(*one + *another, 12);
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn read(&self) -> RwLockReading<'_, T> {
        RwLockReading { lock: self }
    }

    /// Waits until nobody else has it, and takes it to change the data. Dropping the guard gives it back.
    ///
    /// # Errors
    /// As those of [`read`](Self::read).
    ///
    /// # Cancellation
    /// As that of [`read`](Self::read): readers that it held back go on.
    ///
    /// ```
    /// # use coro_core::{RwLock, prelude::*};
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let eggs = RwLock::new(6);
    /// *eggs.write().co_await()? += 1;
    /// assert_eq!(*eggs.read().co_await()?, 7);
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn write(&self) -> RwLockWriting<'_, T> {
        RwLockWriting { lock: self }
    }

    /// Reads, if nobody writes or waits to write; works outside a loop as well.
    ///
    /// ```
    /// let eggs = coro_core::RwLock::new(6);
    /// let guard = eggs.try_read().unwrap();
    /// assert!(eggs.try_read().is_some() && eggs.try_write().is_none());
    /// assert_eq!(*guard, 6);
    /// ```
    pub fn try_read(&self) -> Option<RwLockReadGuard<'_, T>> {
        let free = !self.writing.get() && !self.waiters.any(|what| *what == For::Writing);
        free.then(|| self.take_read())
    }

    /// Takes it to change the data, if nobody has it or waits for it; works outside a loop as well.
    ///
    /// ```
    /// let eggs = coro_core::RwLock::new(6);
    /// let guard = eggs.try_write().unwrap();
    /// assert!(eggs.try_read().is_none() && eggs.try_write().is_none());
    /// assert_eq!(*guard, 6);
    /// ```
    pub fn try_write(&self) -> Option<RwLockWriteGuard<'_, T>> {
        let free = !self.writing.get() && self.readers.get() == 0 && self.waiters.all_cancelled();
        free.then(|| self.take_write())
    }

    /// The data, for who owns the lock alone.
    ///
    /// ```
    /// let mut eggs = coro_core::RwLock::new(6);
    /// *eggs.get_mut() += 1;
    /// assert_eq!(eggs.into_inner(), 7);
    /// ```
    pub fn get_mut(&mut self) -> &mut T {
        self.data.get_mut()
    }

    fn take_read(&self) -> RwLockReadGuard<'_, T> {
        self.readers.set(self.readers.get() + 1);
        RwLockReadGuard { data: Some(self.data.borrow()), lock: self }
    }

    fn take_write(&self) -> RwLockWriteGuard<'_, T> {
        self.writing.set(true);
        RwLockWriteGuard { data: Some(self.data.borrow_mut()), lock: self }
    }

    /// Wakes those who are next: the readers before the first writer, or that writer if it is the very first. They
    /// keep their places until they run, so nobody comes in between; whoever leaves the queue calls this again.
    fn advance(&self) {
        if self.writing.get() {
            return;
        }
        let (mut read, mut written) = (self.readers.get() > 0, false);
        self.waiters.wake_while(|what| match what {
            For::Reading => {
                read = true;
                !written
            }
            For::Writing => !read && !std::mem::replace(&mut written, true),
        });
    }

    fn wait(&self, what: For) -> Result<Advance<'_, T>> {
        let advance = Advance(self);
        self.waiters.wait_as(what, |_| ())?;
        Ok(advance)
    }
}

/// Looks who is next when it is dropped, also when a panic passes.
struct Advance<'a, T: ?Sized>(&'a RwLock<T>);

impl<T: ?Sized> Drop for Advance<'_, T> {
    fn drop(&mut self) {
        self.0.advance();
    }
}

/// What [`RwLock::read`] returns.
///
/// ```
/// # use coro_core::{RwLock, prelude::*};
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// let eggs = RwLock::new(6);
/// let reading: coro_core::RwLockReading<'_, u32> = eggs.read(); // has not begun
/// assert!(eggs.try_write().is_some());
/// assert_eq!(*reading.co_await()?, 6);
/// # Ok(())
/// # })).unwrap();
/// ```
#[must_use = "it locks only when it is awaited"]
pub struct RwLockReading<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
}

impl<'a, T: ?Sized> Awaitable for RwLockReading<'a, T> {
    type Output = RwLockReadGuard<'a, T>;

    fn co_await(self) -> Result<RwLockReadGuard<'a, T>> {
        if let Some(guard) = self.lock.try_read() {
            return Ok(guard);
        }
        let _advance = self.lock.wait(For::Reading)?;
        Ok(self.lock.take_read())
    }
}

/// What [`RwLock::write`] returns.
///
/// ```
/// # use coro_core::{RwLock, prelude::*};
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// let eggs = RwLock::new(6);
/// let writing: coro_core::RwLockWriting<'_, u32> = eggs.write(); // has not begun
/// assert!(eggs.try_read().is_some());
/// *writing.co_await()? += 1;
/// assert_eq!(eggs.into_inner(), 7);
/// # Ok(())
/// # })).unwrap();
/// ```
#[must_use = "it locks only when it is awaited"]
pub struct RwLockWriting<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
}

impl<'a, T: ?Sized> Awaitable for RwLockWriting<'a, T> {
    type Output = RwLockWriteGuard<'a, T>;

    fn co_await(self) -> Result<RwLockWriteGuard<'a, T>> {
        if let Some(guard) = self.lock.try_write() {
            return Ok(guard);
        }
        let _advance = self.lock.wait(For::Writing)?;
        Ok(self.lock.take_write())
    }
}

/// The right to read what a [`RwLock`] protects. Dropping the last one wakes the next who waits.
///
/// ```
/// # use coro_core::{RwLock, prelude::*};
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// let eggs = RwLock::new(6);
/// let guard: coro_core::RwLockReadGuard<'_, u32> = eggs.read().co_await()?;
/// assert_eq!(*guard, 6);
/// drop(guard);
/// assert!(eggs.try_write().is_some());
/// # Ok(())
/// # })).unwrap();
/// ```
pub struct RwLockReadGuard<'a, T: ?Sized> {
    data: Option<Ref<'a, T>>,
    lock: &'a RwLock<T>,
}

impl<T: ?Sized> Deref for RwLockReadGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        match &self.data {
            Some(data) => data,
            None => unreachable!("only dropping takes it out"),
        }
    }
}

impl<T: ?Sized> Drop for RwLockReadGuard<'_, T> {
    fn drop(&mut self) {
        drop(self.data.take());
        self.lock.readers.set(self.lock.readers.get() - 1);
        self.lock.advance();
    }
}

/// The right to change what a [`RwLock`] protects. Dropping it wakes the next who waits.
///
/// ```
/// # use coro_core::{RwLock, prelude::*};
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// let eggs = RwLock::new(6);
/// let mut guard: coro_core::RwLockWriteGuard<'_, u32> = eggs.write().co_await()?;
/// *guard += 1;
/// drop(guard);
/// assert_eq!(eggs.into_inner(), 7);
/// # Ok(())
/// # })).unwrap();
/// ```
pub struct RwLockWriteGuard<'a, T: ?Sized> {
    data: Option<RefMut<'a, T>>,
    lock: &'a RwLock<T>,
}

impl<'a, T: ?Sized> RwLockWriteGuard<'a, T> {
    /// Goes on as a reader, with no other writer in between. Readers that come before the next writer join in.
    ///
    /// ```
    /// # use coro_core::{RwLock, prelude::*};
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let eggs = RwLock::new(6);
    /// let mut writer = eggs.write().co_await()?;
    /// *writer += 1;
    /// let reader = writer.downgrade();
    /// assert_eq!(*eggs.read().co_await()?, *reader);
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn downgrade(mut self) -> RwLockReadGuard<'a, T> {
        let lock = self.lock;
        drop(self.data.take());
        lock.writing.set(false);
        let reader = lock.take_read();
        drop(self); // wakes the readers that are next
        reader
    }
}

impl<T: ?Sized> Deref for RwLockWriteGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        match &self.data {
            Some(data) => data,
            None => unreachable!("only dropping takes it out"),
        }
    }
}

impl<T: ?Sized> DerefMut for RwLockWriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        match &mut self.data {
            Some(data) => data,
            None => unreachable!("only dropping takes it out"),
        }
    }
}

impl<T: ?Sized> Drop for RwLockWriteGuard<'_, T> {
    fn drop(&mut self) {
        drop(self.data.take());
        self.lock.writing.set(false);
        self.lock.advance();
    }
}

/// `async with lock.read() as data { … }`: the guard is what the block gets, and drops.
impl<'a, T: ?Sized> AsyncContextManager for RwLockReading<'a, T> {
    type Value = RwLockReadGuard<'a, T>;

    fn aenter(&mut self) -> Result<RwLockReadGuard<'a, T>> {
        self.lock.read().co_await()
    }

    fn aexit(&mut self, _error: Option<&Error>) -> Result<bool> {
        Ok(false)
    }
}

/// `async with lock.write() as data { … }`.
impl<'a, T: ?Sized> AsyncContextManager for RwLockWriting<'a, T> {
    type Value = RwLockWriteGuard<'a, T>;

    fn aenter(&mut self) -> Result<RwLockWriteGuard<'a, T>> {
        self.lock.write().co_await()
    }

    fn aexit(&mut self, _error: Option<&Error>) -> Result<bool> {
        Ok(false)
    }
}

impl<T: ?Sized + Debug> Debug for RwLockReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + Debug> Debug for RwLockWriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized> Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.writing.get(), self.readers.get()) {
            (true, _) => f.write_str("<RwLock [writing")?,
            (false, 0) => f.write_str("<RwLock [unlocked")?,
            (false, readers) => write!(f, "<RwLock [readers:{readers}")?,
        }
        match self.waiters.len() {
            0 => f.write_str("]>"),
            waiting => write!(f, ", waiters:{waiting}]>"),
        }
    }
}
