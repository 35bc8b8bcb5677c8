//! Asynchronous iterators, and generators whose consumer is `async for`.
//!
//! The protocol is a plain function, since any function may suspend: [`AsyncIterator::anext`].

use std::fmt::{self, Debug};

use crate::definition::Definition;
use crate::error::{Error, GeneratorExit, Result, RuntimeError, StopAsyncIteration, StopIteration};
use crate::generator::{FrameState, Generator, GeneratorState, Yielder};

/// Something that gives one item after the other and may suspend in between; Python's `__anext__`.
///
/// `None` stands for Python's `StopAsyncIteration`.
///
/// ```
/// use coro_core::prelude::*;
///
/// struct Countdown(u32);
/// impl AsyncIterator for Countdown {
///     type Item = u32;
///     fn anext(&mut self) -> Result<Option<u32>> {
///         sleep(millis(1)).co_await()?;
///         Ok(self.0.checked_sub(1).inspect(|n| self.0 = *n))
///     }
/// }
/// async_fn! {
///     async fn sum() -> u32 {
///         let mut sum = 0;
///         async for n in Countdown(4) { sum += n; }
///         sum
///     }
/// }
/// assert_eq!(coro_core::run(sum())?, 6);
/// # Ok::<(), Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`async for` cannot go over `{Self}`",
    label = "this is no asynchronous iterator",
    note = "implement `coro_core::AsyncIterator` for it, or use an ordinary `for` if it is an `Iterator`"
)]
pub trait AsyncIterator {
    /// What it gives.
    type Item;

    /// The next item; `None` when there are no more.
    ///
    /// # Errors
    /// Whatever goes wrong on the way, a cancellation of the task included.
    fn anext(&mut self) -> Result<Option<Self::Item>>;
}

impl<I: AsyncIterator + ?Sized> AsyncIterator for &mut I {
    type Item = I::Item;

    fn anext(&mut self) -> Result<Option<I::Item>> {
        (**self).anext()
    }
}

impl<I: AsyncIterator + ?Sized> AsyncIterator for Box<I> {
    type Item = I::Item;

    fn anext(&mut self) -> Result<Option<I::Item>> {
        (**self).anext()
    }
}

impl<Y: 'static, R: 'static, F> AsyncIterator for Generator<Y, (), R, F>
where
    F: FnOnce(&Yielder<Y>) -> Result<R> + 'static,
{
    type Item = Y;

    fn anext(&mut self) -> Result<Option<Y>> {
        self.next_borrowed().transpose()
    }
}

/// The next item of an asynchronous iterator; the builtin `anext(iterator)`.
///
/// # Errors
/// [`StopAsyncIteration`] when there are no more; what the iterator raises.
///
/// ```
/// use coro_core::prelude::*;
/// let mut one = coro_core::async_generator(|y: &coro_core::Yielder<u32>| y.yield_(5));
/// assert_eq!(coro_core::anext(&mut one)?, 5);
/// assert!(coro_core::anext(&mut one).unwrap_err().is::<coro_core::StopAsyncIteration>());
/// # Ok::<(), Error>(())
/// ```
pub fn anext<I: AsyncIterator + ?Sized>(iterator: &mut I) -> Result<I::Item> {
    iterator.anext()?.ok_or_else(|| StopAsyncIteration.into())
}

/// A generator whose body may await; made by `async fn … yields …` in the DSL and by [`async_generator`].
///
/// An await in it suspends the task that asked for the item. `async for` reads it. Dropping a suspended one
/// closes it: `GeneratorExit` is raised at its yield, and the awaits of its cleanup run where it is dropped.
///
/// ```
/// use coro_core::prelude::*;
/// async_fn! {
///     async fn eggs(amount: u32) yields u32 {
///         for egg in 1..=amount {
///             await!(sleep(millis(1)));
///             yield!(egg);
///         }
///     }
///     async fn all() -> Vec<u32> {
///         let mut all = Vec::new();
///         async for egg in eggs(3) { all.push(egg); }
///         all
///     }
/// }
/// assert_eq!(coro_core::run(all())?, [1, 2, 3]);
/// # Ok::<(), Error>(())
/// ```
pub struct AsyncGenerator<Y, S, F> {
    generator: Generator<Y, S, (), F>,
}

/// Makes an asynchronous generator from a closure.
///
/// ```
/// use coro_core::{Yielder, async_generator, prelude::*};
/// let mut ticks = async_generator(|y: &Yielder<u32>| {
///     for n in 0..2 { sleep(millis(1)).co_await()?; y.yield_(n)?; }
///     Ok(())
/// });
/// coro_core::run(coroutine(move || {
///     assert_eq!((ticks.anext()?, ticks.anext()?, ticks.anext()?), (Some(0), Some(1), None));
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
#[track_caller]
pub fn async_generator<Y, S, F>(body: F) -> AsyncGenerator<Y, S, F>
where
    F: FnOnce(&Yielder<Y, S>) -> Result<()>,
{
    AsyncGenerator { generator: crate::generator::generator(body) }
}

impl<Y, S, F> AsyncGenerator<Y, S, F>
where
    F: FnOnce(&Yielder<Y, S>) -> Result<()>,
{
    /// One whose name and place are known.
    pub fn named(definition: &'static Definition, body: F) -> Self {
        Self { generator: Generator::named(definition, body) }
    }

    /// Where it is in its life.
    pub fn state(&self) -> FrameState {
        self.generator.state()
    }

    /// The name of the function it was made by.
    pub fn name(&self) -> &'static str {
        self.generator.name()
    }

    /// As [`Generator::pin`].
    pub(crate) fn pin(&mut self) {
        self.generator.pin();
    }

    pub(crate) fn next_borrowed(&mut self) -> Result<Option<Y>>
    where
        S: Default,
    {
        self.generator.next_borrowed().transpose().map_err(no_stop)
    }

    pub(crate) fn throw_borrowed(&mut self, error: Error) -> Result<Option<Y>> {
        yielded(self.generator.throw_borrowed(error))
    }
}

/// The errors that end an iteration do not pass out of a generator's body (PEP 479, PEP 525).
fn no_stop(error: Error) -> Error {
    if error.is::<StopAsyncIteration>() {
        return Error::caused_by(RuntimeError::new("async generator raised StopAsyncIteration"), error);
    }
    match error.cause() {
        Some(cause) if error.is::<RuntimeError>() && cause.is::<StopIteration>() => {
            Error::caused_by(RuntimeError::new("async generator raised StopIteration"), cause.clone())
        }
        _ => error,
    }
}

fn yielded<Y>(step: Result<GeneratorState<Y, ()>>) -> Result<Option<Y>> {
    match step {
        Ok(GeneratorState::Yielded(value)) => Ok(Some(value)),
        Ok(GeneratorState::Returned(())) => Ok(None),
        Err(error) if error.is::<StopIteration>() => Ok(None),
        Err(error) => Err(no_stop(error)),
    }
}

impl<Y: 'static, S: 'static, F> AsyncGenerator<Y, S, F>
where
    F: FnOnce(&Yielder<Y, S>) -> Result<()> + 'static,
{
    /// Runs it to its first yield; `asend(None)` on a fresh one. `None` when it ends without yielding.
    ///
    /// # Errors
    /// What it raises.
    pub fn start(&mut self) -> Result<Option<Y>> {
        yielded(self.generator.start())
    }

    /// Resumes it: the yield it stands at gives `value`. `None` when it has ended.
    ///
    /// # Errors
    /// What it raises; [`TypeError`](crate::TypeError) if it has not started.
    pub fn asend(&mut self, value: S) -> Result<Option<Y>> {
        yielded(self.generator.send(value))
    }

    /// Resumes it: the yield it stands at raises `error`. `None` when it ends.
    ///
    /// # Errors
    /// `error` itself if it is not caught, or what is raised instead.
    pub fn athrow(&mut self, error: Error) -> Result<Option<Y>> {
        yielded(self.generator.throw(error))
    }

    /// Ends it: raises `GeneratorExit` at its yield, and waits for its cleanup.
    ///
    /// # Errors
    /// What it raises instead; [`RuntimeError`] "async generator ignored GeneratorExit" if it yields.
    pub fn aclose(&mut self) -> Result<()> {
        if self.state() != FrameState::Suspended {
            return self.generator.close().map(drop);
        }
        match self.generator.throw(GeneratorExit.into()) {
            Ok(GeneratorState::Returned(())) => Ok(()),
            Ok(GeneratorState::Yielded(value)) => {
                drop(value);
                Err(RuntimeError::new("async generator ignored GeneratorExit").into())
            }
            Err(error) if error.is::<GeneratorExit>() || error.is::<StopAsyncIteration>() => Ok(()),
            Err(error) => Err(no_stop(error)),
        }
    }
}

impl<Y: 'static, F> AsyncIterator for AsyncGenerator<Y, (), F>
where
    F: FnOnce(&Yielder<Y>) -> Result<()> + 'static,
{
    type Item = Y;

    fn anext(&mut self) -> Result<Option<Y>> {
        self.next_borrowed()
    }
}

impl<Y, S, F> Debug for AsyncGenerator<Y, S, F>
where
    F: FnOnce(&Yielder<Y, S>) -> Result<()>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<async_generator object {} at {:p}>", self.name(), self)
    }
}
