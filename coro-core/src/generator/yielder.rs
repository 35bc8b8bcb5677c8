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
    #[inline]
    pub fn yield_(&self, value: Y) -> Result<S> {
        // SAFETY: the suspender lives at the bottom of the generator's stack as long as the body runs.
        let suspender = unsafe { &*self.suspender };
        suspender.check_may_yield()?;
        suspender.suspend(value)
    }

    /// Delegates to `inner` until it ends: what comes in goes to `inner`, what it yields goes out (PEP 380).
    ///
    /// Gives what `inner` returns. `yield_from!` in the DSL.
    ///
    /// # Errors
    /// What `inner` raises. A `GeneratorExit` closes `inner` first.
    ///
    /// ```
    /// use coro_core::{Yielder, generator};
    /// let inner = || generator(|y: &Yielder<u32>| { y.yield_(1)?; Ok("inner") });
    /// let outer = generator(move |y: &Yielder<u32>| y.yield_from(inner()));
    /// assert_eq!(outer.collect::<coro_core::Result<Vec<_>>>()?, [1]);
    /// # Ok::<(), coro_core::Error>(())
    /// ```
    pub fn yield_from<R, F>(&self, inner: Generator<Y, S, R, F>) -> Result<R>
    where
        F: FnOnce(&Yielder<Y, S>) -> Result<R>,
    {
        let mut inner = inner;
        inner.pin();
        let mut step = inner.core.start();
        loop {
            let value = match step? {
                GeneratorState::Yielded(value) => value,
                GeneratorState::Returned(value) => return Ok(value),
            };
            step = match self.yield_(value) {
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
