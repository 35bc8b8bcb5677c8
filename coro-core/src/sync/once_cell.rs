//! `OnceCell`: a value that is made once, by code that may suspend.

use std::cell::{Cell, OnceCell as Value};
use std::fmt::{self, Debug};

use super::Waiters;
use crate::coroutine::Awaitable;
use crate::error::{Result, RuntimeError};
use crate::task::current_task;

/// A value that the first who needs it makes, while the others wait; tokio's `OnceCell`.
///
/// ```
/// use coro_core::{OnceCell, prelude::*};
/// coro_core::run(coroutine(|| {
///     let connection = OnceCell::new();
///     let open = || { sleep(millis(1)).co_await()?; Ok(String::from("open")) };
///     TaskGroup::scope(|group| {
///         for _ in 0..3 {
///             group.create_task(coroutine(|| {
///                 let connection: &String = connection.get_or_try_init(open).co_await()?; // opened once
///                 assert_eq!(connection, "open");
///                 Ok(())
///             }));
///         }
///         Ok(())
///     })
/// }))?;
/// # Ok::<(), Error>(())
/// ```
///
/// It stays on its thread:
/// ```compile_fail
/// let cell = coro_core::OnceCell::from(1);
/// std::thread::scope(|scope| { scope.spawn(|| drop(cell.get())); });
/// ```
pub struct OnceCell<T> {
    value: Value<T>,
    by: Cell<By>,
    waiters: Waiters,
}

/// Who makes the value just now.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Nobody,
    Task(u64),
    /// Code outside a task.
    Other,
}

impl By {
    fn current() -> Self {
        current_task().map_or(Self::Other, |task| Self::Task(task.number()))
    }
}

impl<T> Default for OnceCell<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> From<T> for OnceCell<T> {
    /// One that has its value already.
    fn from(value: T) -> Self {
        Self { value: Value::from(value), ..Self::new() }
    }
}

impl<T> OnceCell<T> {
    /// One without a value.
    ///
    /// ```
    /// assert!(coro_core::OnceCell::<u32>::new().get().is_none());
    /// ```
    pub fn new() -> Self {
        Self { value: Value::new(), by: Cell::new(By::Nobody), waiters: Waiters::default() }
    }

    /// The value, if it was made.
    ///
    /// ```
    /// assert_eq!(coro_core::OnceCell::from(6).get(), Some(&6));
    /// ```
    pub fn get(&self) -> Option<&T> {
        self.value.get()
    }

    /// The value, for who owns the cell alone.
    ///
    /// ```
    /// let mut cell = coro_core::OnceCell::from(6);
    /// *cell.get_mut().unwrap() += 1;
    /// assert_eq!(cell.get(), Some(&7));
    /// ```
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.value.get_mut()
    }

    /// Gives it its value. Those who wait get it.
    ///
    /// # Errors
    /// The value itself, if there is one already, or somebody makes one just now.
    ///
    /// ```
    /// let cell = coro_core::OnceCell::new();
    /// assert_eq!(cell.set(6), Ok(()));
    /// assert_eq!(cell.set(7), Err(7));
    /// ```
    pub fn set(&self, value: T) -> std::result::Result<(), T> {
        if self.by.get() != By::Nobody {
            return Err(value);
        }
        self.value.set(value)?;
        self.waiters.wake_all();
        Ok(())
    }

    /// Takes the value out, for who owns the cell alone; it can be made again then.
    ///
    /// ```
    /// let mut cell = coro_core::OnceCell::from(6);
    /// assert_eq!((cell.take(), cell.take()), (Some(6), None));
    /// ```
    pub fn take(&mut self) -> Option<T> {
        self.value.take()
    }

    /// The value, if it was made.
    ///
    /// ```
    /// assert_eq!(coro_core::OnceCell::from(6).into_inner(), Some(6));
    /// ```
    pub fn into_inner(self) -> Option<T> {
        self.value.into_inner()
    }

    /// The value; made by `init`, which may suspend, if there is none. If somebody else makes it just now, waits for
    /// that; if that fails, it is the turn of the first who waits, with its own `init`.
    ///
    /// # Errors
    /// When awaited: what `init` raises, to this caller alone. [`RuntimeError`] if `init` asks for the value that it
    /// is to make, or if it must wait where nothing can suspend.
    ///
    /// # Cancellation
    /// In `init`, it is raised at the await that stands there, and the next tries. While it waits, the place in the
    /// queue is lost; a turn that came at the same moment goes to the next.
    ///
    /// ```
    /// # use coro_core::{OnceCell, prelude::*};
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let cell = OnceCell::new();
    /// assert!(cell.get_or_try_init(|| Err(Error::msg("no eggs"))).co_await().is_err());
    /// let six = cell.get_or_try_init(|| { sleep(secs(1)).co_await()?; Ok(6) }).co_await()?;
    /// assert_eq!(six, cell.get_or_try_init(|| unreachable!()).co_await()?);
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn get_or_try_init<F>(&self, init: F) -> OnceCellInit<'_, T, F>
    where
        F: FnOnce() -> Result<T>,
    {
        OnceCellInit { cell: self, init }
    }

    /// Wakes all if there is a value, the first if somebody has to make it. That one keeps its place until it runs,
    /// so nobody comes in between; whoever leaves the queue calls this again.
    fn advance(&self) {
        if self.value.get().is_some() {
            self.waiters.wake_all();
        } else if self.by.get() == By::Nobody {
            let mut first = true;
            self.waiters.wake_while(|()| std::mem::take(&mut first));
        }
    }
}

/// Looks who is next when it is dropped, also when a panic passes.
struct Advance<'a, T>(&'a OnceCell<T>);

impl<T> Drop for Advance<'_, T> {
    fn drop(&mut self) {
        self.0.advance();
    }
}

/// Somebody makes the value while this lives.
struct Making<'a>(&'a Cell<By>);

impl Drop for Making<'_> {
    fn drop(&mut self) {
        self.0.set(By::Nobody);
    }
}

/// What [`OnceCell::get_or_try_init`] returns.
///
/// ```
/// # use coro_core::{OnceCell, prelude::*};
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// let cell = OnceCell::new();
/// let init: coro_core::OnceCellInit<'_, u32, _> = cell.get_or_try_init(|| Ok(6)); // has not begun
/// assert!(cell.get().is_none());
/// assert_eq!(init.co_await()?, &6);
/// # Ok(())
/// # })).unwrap();
/// ```
#[must_use = "it makes the value only when it is awaited"]
pub struct OnceCellInit<'a, T, F> {
    cell: &'a OnceCell<T>,
    init: F,
}

impl<'a, T, F> Awaitable for OnceCellInit<'a, T, F>
where
    F: FnOnce() -> Result<T>,
{
    type Output = &'a T;

    fn co_await(self) -> Result<&'a T> {
        let cell = self.cell;
        if let Some(value) = cell.get() {
            return Ok(value);
        }
        let (me, by) = (By::current(), cell.by.get());
        if me == by {
            let message = "the initialiser of a OnceCell waits for the value that it is to make";
            return Err(RuntimeError::new(message).into());
        }
        let _advance = Advance(cell);
        if by != By::Nobody || !cell.waiters.all_cancelled() {
            cell.waiters.wait_as((), |()| ())?;
            if let Some(value) = cell.get() {
                return Ok(value);
            }
        }
        cell.by.set(me);
        let _making = Making(&cell.by);
        let value = (self.init)()?;
        Ok(cell.value.get_or_init(|| value))
    }
}

impl<T: Debug> Debug for OnceCell<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.get(), self.by.get()) {
            (Some(value), _) => f.debug_tuple("OnceCell").field(value).finish(),
            (None, By::Nobody) => f.write_str("<OnceCell [empty]>"),
            (None, _) => write!(f, "<OnceCell [being made, waiters:{}]>", self.waiters.len()),
        }
    }
}
