//! Asynchronous generators, whose consumer is `async for`.
//!
//! Floor: the library, its lowest part.

use std::fmt::{self, Debug};
use std::mem;

use super::{AsyncIterator, AsyncLent, SharedAsyncGenerator};
use crate::definition::Definition;
use crate::error::{Error, GeneratorExit, Result, RuntimeError, StopAsyncIteration, StopIteration};
use crate::generator::{FrameState, Generator, GeneratorState, Yielder};

/// A generator whose body may await; made by `async fn … yields …` in the DSL and by [`async_generator`].
///
/// An await in it suspends the task that asked for the item. `async for` reads it. Dropping a suspended one
/// closes it: `GeneratorExit` is raised at its yield, and the awaits of its cleanup run where it is dropped.
///
/// # Cancellation
/// It is raised at the await in the body; a generator that does not catch it has ended.
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
    throws: Throws,
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
    AsyncGenerator { generator: crate::generator::generator(body), throws: Throws::default() }
}

impl<Y, S, F> AsyncGenerator<Y, S, F>
where
    F: FnOnce(&Yielder<Y, S>) -> Result<()>,
{
    /// One whose name and place are known.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// use coro_core::{AsyncGenerator, Definition, Yielder};
    /// static TICKS: Definition = Definition::new("ticks", file!(), line!());
    /// let ticks = AsyncGenerator::named(&TICKS, |y: &Yielder<u32>| y.yield_(1));
    /// assert_eq!(ticks.name(), "ticks");
    /// ```
    pub fn named(definition: &'static Definition, body: F) -> Self {
        Self { generator: Generator::named(definition, body), throws: Throws::default() }
    }

    /// Where it is in its life; `inspect.getasyncgenstate`.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// use coro_core::FrameState;
    /// let mut one = coro_core::async_generator(|y: &coro_core::Yielder<u32>| y.yield_(1));
    /// assert_eq!(one.state(), FrameState::Created);
    /// one.anext()?;
    /// assert_eq!(one.state(), FrameState::Suspended);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn state(&self) -> FrameState {
        self.generator.state()
    }

    /// The name of the function it was made by; `__name__`.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// async_fn! {
    ///     async fn ticks() yields u32 { yield!(1); }
    /// }
    /// assert_eq!(ticks().name(), "ticks");
    /// ```
    pub fn name(&self) -> &'static str {
        self.generator.name()
    }

    /// Runs `f` with this generator, which may borrow; it is closed before `lend` returns.
    ///
    /// Errors of its cleanup are reported then; [`AsyncIterator::aclose`] within `f` gives them.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// async_fn! {
    ///     async fn letters(text: &str) yields char {
    ///         for letter in text.chars() { await!(sleep(millis(1))); yield!(letter); }
    ///     }
    ///     async fn vowels(text: &str) -> String {
    ///         letters(text).lend(|letters| letters.aiter().filter(|c| Ok("aeiou".contains(*c))).collect())?
    ///     }
    /// }
    /// let text = String::from("boiled");
    /// assert_eq!(coro_core::run(vowels(&text))?, "oie");
    /// # Ok::<(), Error>(())
    /// ```
    pub fn lend<T>(self, f: impl FnOnce(AsyncLent<'_, Y, S>) -> T) -> T {
        let throws = self.throws;
        self.generator.lend(|lent| f(AsyncLent { lent, throws }))
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
        self.throws.athrow(self.state(), || self.generator.throw_borrowed(error))
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

pub(super) fn yielded<Y>(step: Result<GeneratorState<Y, ()>>) -> Result<Option<Y>> {
    item(step).map_err(no_stop)
}

fn item<Y>(step: Result<GeneratorState<Y, ()>>) -> Result<Option<Y>> {
    match step {
        Ok(GeneratorState::Yielded(value)) => Ok(Some(value)),
        Ok(GeneratorState::Returned(())) => Ok(None),
        Err(error) if error.is::<StopIteration>() => Ok(None),
        Err(error) => Err(error),
    }
}

/// What is thrown into an asynchronous generator: nothing more once it was told to close and has yielded instead.
#[derive(Clone, Copy, Default)]
pub(super) struct Throws {
    /// CPython's `ag_closed`.
    closed: bool,
}

impl Throws {
    pub(super) fn athrow<Y>(
        self,
        state: FrameState,
        throw: impl FnOnce() -> Result<GeneratorState<Y, ()>>,
    ) -> Result<Option<Y>> {
        match state {
            FrameState::Suspended if self.closed => Err(StopAsyncIteration.into()),
            FrameState::Suspended => yielded(throw()),
            _ => item(throw()), // the error comes back without having been in the body
        }
    }

    /// `throw` raises a `GeneratorExit` at its yield.
    pub(super) fn aclose<Y>(&mut self, throw: impl FnOnce() -> Result<GeneratorState<Y, ()>>) -> Result<()> {
        if mem::replace(&mut self.closed, true) {
            return Err(StopAsyncIteration.into());
        }
        closed(throw())
    }
}

/// What a `GeneratorExit` that was thrown in has led to.
fn closed<Y>(step: Result<GeneratorState<Y, ()>>) -> Result<()> {
    match step {
        Ok(GeneratorState::Returned(())) => Ok(()),
        Ok(GeneratorState::Yielded(value)) => {
            drop(value);
            Err(RuntimeError::new("async generator ignored GeneratorExit").into())
        }
        Err(error) if error.is::<GeneratorExit>() || error.is::<StopAsyncIteration>() => Ok(()),
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
    ///
    /// # Cancellation
    /// It is raised at the await that the generator stands at; a generator that does not catch it has ended.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// let mut echo = coro_core::async_generator(|y: &coro_core::Yielder<u32, u32>| {
    ///     let sent = y.yield_(0)?;
    ///     y.yield_(sent * 2).map(drop)
    /// });
    /// assert_eq!(echo.start()?, Some(0));
    /// assert_eq!(echo.asend(21)?, Some(42));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn start(&mut self) -> Result<Option<Y>> {
        yielded(self.generator.start())
    }

    /// Resumes it: the yield it stands at gives `value`; `await agen.asend(value)`. `None` when it has ended.
    ///
    /// # Errors
    /// What it raises; [`TypeError`](crate::TypeError) if it has not started (`S = ()` starts it).
    ///
    /// # Cancellation
    /// As [`start`](Self::start).
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// let mut echo = coro_core::async_generator(|y: &coro_core::Yielder<u32, u32>| {
    ///     let sent = y.yield_(0)?;
    ///     y.yield_(sent * 2).map(drop)
    /// });
    /// assert!(echo.asend(1).unwrap_err().is::<coro_core::TypeError>()); // nothing waits for a value yet
    /// echo.start()?;
    /// assert_eq!((echo.asend(21)?, echo.asend(0)?, echo.asend(0)?), (Some(42), None, None));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn asend(&mut self, value: S) -> Result<Option<Y>> {
        yielded(self.generator.send(value))
    }

    /// Resumes it: the yield it stands at raises `error`; `await agen.athrow(error)`. `None` when it ends.
    ///
    /// # Errors
    /// `error` itself if it is not caught, or what is raised instead; [`StopAsyncIteration`] if it has ignored an
    /// [`aclose`](Self::aclose).
    ///
    /// # Cancellation
    /// As [`start`](Self::start).
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// let mut patient = coro_core::async_generator(|y: &coro_core::Yielder<&str>| {
    ///     let error = y.yield_("waiting").unwrap_err();
    ///     assert_eq!(error.to_string(), "burnt");
    ///     y.yield_("recovered")
    /// });
    /// patient.start()?;
    /// assert_eq!(patient.athrow(Error::msg("burnt"))?, Some("recovered"));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn athrow(&mut self, error: Error) -> Result<Option<Y>> {
        self.throw_borrowed(error)
    }

    /// Ends it: raises `GeneratorExit` at its yield, and waits for its cleanup; `await agen.aclose()`.
    ///
    /// # Errors
    /// What it raises instead; [`RuntimeError`] "async generator ignored GeneratorExit" if it yields, and
    /// [`StopAsyncIteration`] from then on, without running it.
    ///
    /// # Cancellation
    /// It is raised at the await that the cleanup stands at; the generator has ended after that.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let mut one = coro_core::async_generator(|y: &coro_core::Yielder<u32>| {
    ///     let yielded = y.yield_(1);
    ///     sleep(secs(1)).co_await()?; // cleanup may await
    ///     yielded
    /// });
    /// one.start()?;
    /// one.aclose()?;
    /// assert_eq!(one.anext()?, None);
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn aclose(&mut self) -> Result<()> {
        if self.state() != FrameState::Suspended {
            return self.generator.close().map(drop);
        }
        self.throws.aclose(|| self.generator.throw(GeneratorExit.into()))
    }

    /// A handle that can be cloned: several tasks may hold it, and step it in turns.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// let ticks = coro_core::async_generator(|y: &coro_core::Yielder<u32>| { y.yield_(1)?; y.yield_(2) });
    /// let (mut one, mut other) = (ticks.shared(), None);
    /// other.replace(one.clone());
    /// assert_eq!((one.anext()?, other.unwrap().anext()?), (Some(1), Some(2)));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn shared(self) -> SharedAsyncGenerator<Y, S> {
        SharedAsyncGenerator::new(self)
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

    fn aclose(&mut self) -> Result<()> {
        AsyncGenerator::aclose(self)
    }
}

/// For an ordinary `for` loop and the adaptors of iterators, whose `next` suspends the task.
///
/// ```
/// use coro_core::{Yielder, async_generator, prelude::*};
/// let ticks = || async_generator(|y: &Yielder<u32>| {
///     for n in 0..4 { sleep(millis(1)).co_await()?; y.yield_(n)?; }
///     Ok(())
/// });
/// coro_core::run(coroutine(move || {
///     let odd: Vec<u32> = ticks().filter(|n| n.as_ref().is_ok_and(|n| n % 2 == 1)).collect::<Result<_>>()?;
///     assert_eq!(odd, [1, 3]);
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
impl<Y: 'static, F> Iterator for AsyncGenerator<Y, (), F>
where
    F: FnOnce(&Yielder<Y>) -> Result<()> + 'static,
{
    type Item = Result<Y>;

    fn next(&mut self) -> Option<Result<Y>> {
        self.next_borrowed().transpose()
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
