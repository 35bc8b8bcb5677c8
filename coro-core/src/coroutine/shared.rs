//! Coroutines that several hold.
//!
//! Floor 3.

use std::fmt::{self, Debug};
use std::rc::Rc;

use super::by_hand::{Step, already_awaited};
use super::{Awaitable, BoxCoroutine, Origins, suspend};
use crate::definition::Origin;
use crate::error::{Error, Result, RuntimeError};
use crate::events::AnyFuture;
use crate::fiber::Sent;
use crate::generator::{FrameState, Turns};

/// A coroutine that several hold; made by [`Coroutine::shared`](crate::Coroutine::shared).
///
/// A clone is another handle. The handles see what it does: that it runs, what it waits for. It runs on a stack of
/// its own, also when it is awaited, and only one that has not started can be awaited. When the last handle is
/// dropped it is closed; one that holds a handle to itself has to be closed by hand.
///
/// # Errors
/// Stepping it while it runs is the error [`ValueError`](crate::ValueError) "coroutine already executing", and so is
/// an await in itself. Awaiting it while it is suspended, in another task's await or by hand, is the error
/// [`RuntimeError`] "coroutine is being awaited already"; after its end, "cannot reuse already awaited coroutine".
///
/// # Cancellation
/// Awaited, it is a part of the task: a cancellation is raised at the await that it stands at.
///
/// ```
/// use coro_core::prelude::*;
/// use coro_core::SharedCoroutine;
///
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// let boil: SharedCoroutine<&str> = coroutine(|| { sleep(secs(1)).co_await()?; Ok("soft") }).shared();
/// let egg = create_task(boil.clone());
/// sleep(millis(1)).co_await()?; // the task awaits it now
/// assert!(!boil.cr_running() && boil.cr_await().is_some());
/// assert_eq!(boil.co_await().unwrap_err().to_string(), "coroutine is being awaited already");
/// assert_eq!(egg.co_await()?, "soft");
/// # Ok(())
/// # })).unwrap();
/// ```
///
/// It stays on its thread:
/// ```compile_fail
/// let shared = coro_core::coroutine(|| Ok(1)).shared();
/// std::thread::spawn(move || drop(shared));
/// ```
#[must_use = "a coroutine does nothing until it is awaited"]
pub struct SharedCoroutine<T> {
    inner: Rc<Shared<T>>,
}

struct Shared<T> {
    origin: Origin,
    coroutine: Turns<BoxCoroutine<T>>,
}

impl<T> Clone for SharedCoroutine<T> {
    fn clone(&self) -> Self {
        Self { inner: Rc::clone(&self.inner) }
    }
}

impl<T> SharedCoroutine<T> {
    pub(super) fn new(origin: Origin, coroutine: BoxCoroutine<T>) -> Self {
        Self { inner: Rc::new(Shared { origin, coroutine: Turns::new("coroutine", Box::new(coroutine)) }) }
    }

    /// The name of the function it is a call of, as [`Coroutine::name`](crate::Coroutine::name).
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// async_fn! {
    ///     async fn boil() {}
    /// }
    /// let egg = boil().shared();
    /// assert_eq!(egg.name(), "boil");
    /// # egg.close()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn name(&self) -> &'static str {
        self.inner.origin.name()
    }

    /// The file and line of that function, as [`Coroutine::place`](crate::Coroutine::place).
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// let egg = coroutine(|| Ok(())).shared(); let line = line!();
    /// assert_eq!(egg.place(), (file!(), line));
    /// # egg.close()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn place(&self) -> (&'static str, u32) {
        self.inner.origin.place()
    }
}

impl<T: 'static> SharedCoroutine<T> {
    /// As [`Coroutine::send`](crate::Coroutine::send).
    ///
    /// # Errors
    /// As there; and [`ValueError`](crate::ValueError) while it runs.
    ///
    /// # Panics
    /// As there.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// use coro_core::{Awaited, Step, suspend};
    /// let pause = coroutine(|| { suspend(Awaited::Yield)?; Ok(6) }).shared();
    /// assert!(matches!(pause.send(None)?, Step::Suspended(Awaited::Yield)));
    /// assert!(matches!(pause.clone().send(None)?, Step::Returned(6)));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn send(&self, value: Sent) -> Result<Step<T>> {
        self.inner.coroutine.step(|coroutine| coroutine.send(value))
    }

    /// As [`Coroutine::throw`](crate::Coroutine::throw).
    ///
    /// # Errors
    /// As there; and [`ValueError`](crate::ValueError) while it runs.
    ///
    /// # Panics
    /// As [`send`](Self::send).
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// use coro_core::{Awaited, suspend};
    /// let pause = coroutine(|| suspend(Awaited::Yield).map(drop)).shared();
    /// pause.send(None)?;
    /// assert_eq!(pause.throw(Error::msg("burnt")).unwrap_err().to_string(), "burnt");
    /// # Ok::<(), Error>(())
    /// ```
    pub fn throw(&self, error: Error) -> Result<Step<T>> {
        self.inner.coroutine.step(|coroutine| coroutine.throw(error))
    }

    /// As [`Coroutine::close`](crate::Coroutine::close).
    ///
    /// # Errors
    /// As there; and [`ValueError`](crate::ValueError) while it runs.
    ///
    /// # Panics
    /// As [`send`](Self::send).
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// use coro_core::{Awaited, FrameState, suspend};
    /// let endless = coroutine(|| -> Result<()> { loop { suspend(Awaited::Yield)?; } }).shared();
    /// endless.send(None)?;
    /// endless.close()?;
    /// assert_eq!(endless.state(), FrameState::Closed);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn close(&self) -> Result<()> {
        self.inner.coroutine.step(BoxCoroutine::close)
    }

    /// Where it is in its life; `inspect.getcoroutinestate`.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// use coro_core::{Awaited, FrameState, suspend};
    /// let pause = coroutine(|| suspend(Awaited::Yield).map(drop)).shared();
    /// assert_eq!(pause.state(), FrameState::Created);
    /// pause.send(None)?;
    /// assert_eq!(pause.clone().state(), FrameState::Suspended);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn state(&self) -> FrameState {
        self.inner.coroutine.look(BoxCoroutine::state).unwrap_or(FrameState::Running)
    }

    /// Whether it runs now; `cr_running`.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// use std::{cell::RefCell, rc::Rc};
    /// let me: Rc<RefCell<Option<coro_core::SharedCoroutine<bool>>>> = Rc::default();
    /// let inside = Rc::clone(&me);
    /// let one = coroutine(move || Ok(inside.take().is_some_and(|me| me.cr_running()))).shared();
    /// me.replace(Some(one.clone()));
    /// assert!(matches!(one.send(None)?, coro_core::Step::Returned(true)));
    /// assert!(!one.cr_running());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn cr_running(&self) -> bool {
        self.state() == FrameState::Running
    }

    /// The future it waits for, if it is suspended at one; `cr_await`.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let future = coro_core::Future::<u32>::new();
    /// let waiting = coroutine({ let future = future.clone(); move || future.co_await() }).shared();
    /// let task = create_task(waiting.clone());
    /// sleep(secs(1)).co_await()?;
    /// assert!(waiting.cr_await().unwrap().same(&future.any()));
    /// # drop(task);
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn cr_await(&self) -> Option<AnyFuture> {
        self.inner.coroutine.look(BoxCoroutine::cr_await)?
    }
}

impl<T: 'static> Awaitable for SharedCoroutine<T> {
    type Output = T;

    fn co_await(self) -> Result<T> {
        match self.state() {
            FrameState::Suspended => {
                return Err(RuntimeError::new("coroutine is being awaited already").into());
            }
            FrameState::Closed => return Err(already_awaited()),
            FrameState::Created | FrameState::Running => {}
        }
        let mut step = self.send(None)?;
        loop {
            step = match step {
                Step::Returned(value) => return Ok(value),
                Step::Suspended(awaited) => match suspend(awaited) {
                    Ok(value) => self.send(value)?,
                    Err(error) => self.throw(error)?,
                },
            };
        }
    }

    fn __origin(&self) -> Origins {
        Origins(self.inner.origin)
    }

    fn __discard(self) {
        if self.state() == FrameState::Created {
            let closed = self.close();
            debug_assert!(closed.is_ok(), "nothing of it has run");
        }
    }
}

impl<T: 'static> Debug for SharedCoroutine<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<shared coroutine {} {:?}>", self.name(), self.state())
    }
}
