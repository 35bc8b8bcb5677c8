//! The inside of a generator: what its body yields through.
//!
//! Floor 2.
#![allow(unsafe_code)] // points to the suspender at the bottom of the generator's stack

use super::{Generator, GeneratorState};
use crate::error::{GeneratorExit, Result};
use crate::fiber::Suspender;

/// The inside of a generator: its body yields through this.
///
/// It is `&Yielder` everywhere: the value belongs to the stack of the generator.
///
/// ```
/// # use coro_core::prelude::*;
/// use coro_core::{Yielder, generator};
/// fn count(y: &Yielder<u32>) -> Result<&'static str> { // any function may yield through it
///     for n in 0..3 { y.yield_(n)?; }
///     Ok("done")
/// }
/// assert_eq!(generator(count).collect::<Result<Vec<_>>>()?, [0, 1, 2]);
/// # Ok::<(), Error>(())
/// ```
pub struct Yielder<Y, S = ()> {
    pub(super) suspender: *const Suspender<Result<S>, Y>,
}

impl<Y, S> Yielder<Y, S> {
    /// Suspends the generator with `value`; gives what is sent in next. `yield!` in the DSL.
    ///
    /// # Errors
    /// What is thrown in; [`RuntimeError`](crate::RuntimeError) if a scope or timeout is open in the generator, or
    /// while unwinding.
    ///
    /// ```
    /// let mut echo = coro_core::generator(|y: &coro_core::Yielder<u32, u32>| y.yield_(1));
    /// echo.start()?;
    /// assert_eq!(echo.send(7)?, coro_core::GeneratorState::Returned(7));
    /// # Ok::<(), coro_core::Error>(())
    /// ```
    #[inline(always)] // see `suspend`
    pub fn yield_(&self, value: Y) -> Result<S> {
        // SAFETY: the suspender lives at the bottom of the generator's stack as long as the body runs.
        let suspender = unsafe { &*self.suspender };
        suspender.check_may_yield()?;
        suspender.suspend(value)
    }

    /// Delegates to `inner` until it ends: to a generator, or to whatever has items.
    ///
    /// What comes in goes to an inner generator, and what it yields goes out (PEP 380); the call gives what it returns.
    /// Of an iterator the items go out; it takes no values, so only a generator that is sent none can delegate to one.
    /// `yield_from!` in the DSL.
    ///
    /// # Errors
    /// What an inner generator raises; a `GeneratorExit` closes it first. With an iterator: what is thrown in.
    ///
    /// ```
    /// use coro_core::{Yielder, generator};
    /// let inner = || generator(|y: &Yielder<u32>| { y.yield_(1)?; Ok("inner") });
    /// let outer = generator(move |y: &Yielder<u32>| {
    ///     y.yield_from(2..4)?;
    ///     y.yield_from(inner())
    /// });
    /// assert_eq!(outer.collect::<coro_core::Result<Vec<_>>>()?, [2, 3, 1]);
    /// # Ok::<(), coro_core::Error>(())
    /// ```
    pub fn yield_from<R>(&self, inner: impl YieldFrom<Y, S, R>) -> Result<R> {
        inner.yield_all(self)
    }
}

/// What a generator of `Y` that is sent `S` can delegate to: another one, which returns `R`; an iterator if `S` is `()`.
///
/// ```
/// use coro_core::{YieldFrom, Yielder, generator};
/// fn twice(y: &Yielder<u32>, inner: impl YieldFrom<u32, (), ()> + Clone) -> coro_core::Result<()> {
///     y.yield_from(inner.clone())?;
///     y.yield_from(inner)
/// }
/// let items = generator(|y: &Yielder<u32>| twice(y, [1, 2])).collect::<coro_core::Result<Vec<_>>>()?;
/// assert_eq!(items, [1, 2, 1, 2]);
/// # Ok::<(), coro_core::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "a generator of `{Y}` that is sent `{S}` cannot yield from `{Self}`",
    label = "neither such a generator nor an iterator of `{Y}`",
    note = "a generator is delegated to if it yields and is sent the same types; an iterator, if nothing is sent"
)]
pub trait YieldFrom<Y, S, R> {
    #[doc(hidden)]
    fn yield_all(self, yielder: &Yielder<Y, S>) -> Result<R>;
}

impl<Y, S, R, F> YieldFrom<Y, S, R> for Generator<Y, S, R, F>
where
    F: FnOnce(&Yielder<Y, S>) -> Result<R>,
{
    fn yield_all(self, yielder: &Yielder<Y, S>) -> Result<R> {
        let mut inner = self;
        inner.pin();
        let mut step = inner.core.start();
        loop {
            let value = match step? {
                GeneratorState::Yielded(value) => value,
                GeneratorState::Returned(value) => return Ok(value),
            };
            step = match yielder.yield_(value) {
                Ok(sent) => inner.core.send(sent),
                Err(error) if error.is::<GeneratorExit>() => {
                    inner.core.close()?;
                    return Err(error);
                }
                Err(error) => inner.core.throw(error),
            };
        }
    }
}

impl<Y, I> YieldFrom<Y, (), ()> for I
where
    I: IntoIterator<Item = Y>,
{
    fn yield_all(self, yielder: &Yielder<Y>) -> Result<()> {
        self.into_iter().try_for_each(|item| yielder.yield_(item))
    }
}
