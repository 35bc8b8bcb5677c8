//! Asynchronous generators that several hold.
//!
//! Floor: the library, its lowest part.

use std::fmt::{self, Debug};
use std::rc::Rc;

use super::{AsyncGenerator, AsyncIterator};
use crate::error::{Error, Result, RuntimeError};
use crate::generator::{FrameState, Turns, Yielder};

/// The steps of an asynchronous generator whose body is not named.
trait AsyncSteps<Y, S> {
    fn start(&mut self) -> Result<Option<Y>>;
    fn asend(&mut self, value: S) -> Result<Option<Y>>;
    fn athrow(&mut self, error: Error) -> Result<Option<Y>>;
    fn aclose(&mut self) -> Result<()>;
    fn state(&self) -> FrameState;
}

impl<Y: 'static, S: 'static, F> AsyncSteps<Y, S> for AsyncGenerator<Y, S, F>
where
    F: FnOnce(&Yielder<Y, S>) -> Result<()> + 'static,
{
    fn start(&mut self) -> Result<Option<Y>> {
        AsyncGenerator::start(self)
    }

    fn asend(&mut self, value: S) -> Result<Option<Y>> {
        AsyncGenerator::asend(self, value)
    }

    fn athrow(&mut self, error: Error) -> Result<Option<Y>> {
        AsyncGenerator::athrow(self, error)
    }

    fn aclose(&mut self) -> Result<()> {
        AsyncGenerator::aclose(self)
    }

    fn state(&self) -> FrameState {
        AsyncGenerator::state(self)
    }
}

/// An asynchronous generator that several hold; made by [`AsyncGenerator::shared`].
///
/// A clone is another handle. When the last one is dropped the generator is closed, as by
/// [`AsyncGenerator`]; one that holds a handle to itself has to be closed by hand.
///
/// # Errors
/// Stepping it while it runs, or while a step of it waits in another task, is the error [`RuntimeError`]
/// "anext(): asynchronous generator is already running". Whoever shares one between tasks takes a
/// [`Lock`](crate::Lock), or hands its items on through a [`Queue`](crate::Queue).
///
/// # Cancellation
/// As [`AsyncGenerator`]: one that does not catch it has ended, for all who hold it.
///
/// ```
/// use coro_core::prelude::*;
/// use coro_core::{SharedAsyncGenerator, Yielder, async_generator};
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// let ticks = async_generator(|y: &Yielder<u32>| { sleep(secs(1)).co_await()?; y.yield_(1) });
/// let mut ticks: SharedAsyncGenerator<u32> = ticks.shared();
/// let first = create_task(coroutine({ let mut ticks = ticks.clone(); move || ticks.anext() }));
/// sleep(Duration::ZERO).co_await()?; // the task is in its step now
/// let error = ticks.anext().unwrap_err();
/// assert_eq!(error.to_string(), "anext(): asynchronous generator is already running");
/// assert_eq!(first.co_await()?, Some(1));
/// assert_eq!(ticks.anext()?, None);
/// # Ok(())
/// # })).unwrap();
/// ```
///
/// It stays on its thread:
/// ```compile_fail
/// let shared = coro_core::async_generator(|y: &coro_core::Yielder<u32>| y.yield_(1)).shared();
/// std::thread::spawn(move || drop(shared));
/// ```
pub struct SharedAsyncGenerator<Y, S = ()> {
    inner: Rc<Inner<Y, S>>,
}

struct Inner<Y, S> {
    name: &'static str,
    generator: Turns<dyn AsyncSteps<Y, S>>,
}

impl<Y, S> Clone for SharedAsyncGenerator<Y, S> {
    fn clone(&self) -> Self {
        Self { inner: Rc::clone(&self.inner) }
    }
}

impl<Y: 'static, S: 'static> SharedAsyncGenerator<Y, S> {
    pub(super) fn new<F>(generator: AsyncGenerator<Y, S, F>) -> Self
    where
        F: FnOnce(&Yielder<Y, S>) -> Result<()> + 'static,
    {
        let name = generator.name();
        Self { inner: Rc::new(Inner { name, generator: Turns::new("async generator", Box::new(generator)) }) }
    }
}

impl<Y, S> SharedAsyncGenerator<Y, S> {
    fn step<T>(&self, call: &str, f: impl FnOnce(&mut dyn AsyncSteps<Y, S>) -> Result<T>) -> Result<T> {
        self.inner.generator.turn(|generator| f(generator)).unwrap_or_else(|| {
            let running = format!("{call}(): asynchronous generator is already running");
            Err(RuntimeError::new(running).into())
        })
    }

    /// The name of the function it was made by, as [`AsyncGenerator::name`].
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// async_fn! {
    ///     async fn ticks() yields u32 { yield!(1); }
    /// }
    /// assert_eq!(ticks().shared().name(), "ticks");
    /// ```
    pub fn name(&self) -> &'static str {
        self.inner.name
    }

    /// Where it is in its life; `inspect.getasyncgenstate`. `Running` also while a step of it waits in a task.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// use coro_core::FrameState;
    /// let mut one = coro_core::async_generator(|y: &coro_core::Yielder<u32>| y.yield_(1)).shared();
    /// assert_eq!(one.state(), FrameState::Created);
    /// one.anext()?;
    /// assert_eq!(one.clone().state(), FrameState::Suspended);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn state(&self) -> FrameState {
        self.inner.generator.look(|generator| generator.state()).unwrap_or(FrameState::Running)
    }

    /// Whether a step of it is under way; `ag_running`.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// use std::{cell::RefCell, rc::Rc};
    /// let me: Rc<RefCell<Option<coro_core::SharedAsyncGenerator<bool>>>> = Rc::default();
    /// let inside = Rc::clone(&me);
    /// let body = move |y: &coro_core::Yielder<bool>| y.yield_(inside.take().is_some_and(|me| me.ag_running()));
    /// let mut one = coro_core::async_generator(body).shared();
    /// me.replace(Some(one.clone()));
    /// assert_eq!(one.anext()?, Some(true));
    /// assert!(!one.ag_running());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn ag_running(&self) -> bool {
        self.state() == FrameState::Running
    }

    /// As [`AsyncGenerator::start`].
    ///
    /// # Errors
    /// As there; and [`RuntimeError`] while it runs.
    ///
    /// # Cancellation
    /// As there.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// let echo = coro_core::async_generator(|y: &coro_core::Yielder<u32, u32>| y.yield_(1).map(drop)).shared();
    /// assert_eq!(echo.start()?, Some(1));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn start(&self) -> Result<Option<Y>> {
        self.step("anext", |generator| generator.start())
    }

    /// As [`AsyncGenerator::asend`].
    ///
    /// # Errors
    /// As there; and [`RuntimeError`] while it runs.
    ///
    /// # Cancellation
    /// As there.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// let echo = coro_core::async_generator(|y: &coro_core::Yielder<u32, u32>| {
    ///     let sent = y.yield_(0)?;
    ///     y.yield_(sent * 2).map(drop)
    /// });
    /// let echo = echo.shared();
    /// echo.start()?;
    /// assert_eq!(echo.clone().asend(21)?, Some(42));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn asend(&self, value: S) -> Result<Option<Y>> {
        // CPython says so of `asend` as well: what is refused is the `anext` that it makes.
        self.step("anext", |generator| generator.asend(value))
    }

    /// As [`AsyncGenerator::athrow`].
    ///
    /// # Errors
    /// As there; and [`RuntimeError`] while it runs.
    ///
    /// # Cancellation
    /// As there.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// let one = coro_core::async_generator(|y: &coro_core::Yielder<u32>| y.yield_(1)).shared();
    /// one.start()?;
    /// assert_eq!(one.athrow(Error::msg("burnt")).unwrap_err().to_string(), "burnt");
    /// # Ok::<(), Error>(())
    /// ```
    pub fn athrow(&self, error: Error) -> Result<Option<Y>> {
        self.step("athrow", |generator| generator.athrow(error))
    }

    /// As [`AsyncGenerator::aclose`].
    ///
    /// # Errors
    /// As there; and [`RuntimeError`] while it runs.
    ///
    /// # Cancellation
    /// As there.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// let mut one = coro_core::async_generator(|y: &coro_core::Yielder<u32>| y.yield_(1)).shared();
    /// one.anext()?;
    /// one.clone().aclose()?;
    /// assert_eq!(one.anext()?, None);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn aclose(&self) -> Result<()> {
        self.step("aclose", |generator| generator.aclose())
    }
}

impl<Y> AsyncIterator for SharedAsyncGenerator<Y> {
    type Item = Y;

    fn anext(&mut self) -> Result<Option<Y>> {
        self.asend(())
    }

    fn aclose(&mut self) -> Result<()> {
        SharedAsyncGenerator::aclose(self)
    }
}

impl<Y, S> Debug for SharedAsyncGenerator<Y, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<shared async_generator {} {:?}>", self.name(), self.state())
    }
}
