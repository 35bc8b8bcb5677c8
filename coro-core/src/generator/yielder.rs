//! The inside of a generator: what its body yields through.
//!
//! Floor 2.
#![allow(unsafe_code)] // points to the suspender at the bottom of the generator's stack; see `nothing`

use std::any::TypeId;
use std::marker::PhantomData;
use std::mem;

use super::core::Steps;
use super::{FrameState, Generator, GeneratorState, SharedGenerator};
use crate::error::{Error, GeneratorExit, Result, RuntimeError, StopIteration};
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
    /// An inner generator that was stepped before goes on where it stands, if it is sent nothing. One that has ended
    /// gives no items, if it returns nothing. A [`SharedGenerator`] may be stepped by others meanwhile.
    ///
    /// # Errors
    /// What an inner generator raises; a `GeneratorExit` closes it first. With an iterator: what is thrown in.
    /// [`RuntimeError`] if the inner generator was stepped before and waits for a value, or if it had ended and returned
    /// something, which is gone.
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
        delegate(&mut inner.core, yielder)
    }
}

impl<Y, S, R> YieldFrom<Y, S, R> for SharedGenerator<Y, S, R> {
    fn yield_all(mut self, yielder: &Yielder<Y, S>) -> Result<R> {
        delegate(&mut self, yielder)
    }
}

fn delegate<Y, S, R>(inner: &mut impl Steps<Y, S, R>, yielder: &Yielder<Y, S>) -> Result<R> {
    let mut step = match inner.state() {
        FrameState::Suspended => go_on(inner),
        _ => inner.start(),
    };
    loop {
        let value = match step {
            Ok(GeneratorState::Yielded(value)) => value,
            Ok(GeneratorState::Returned(value)) => return Ok(value),
            Err(error) => return ended(error),
        };
        step = match yielder.yield_(value) {
            Ok(sent) => inner.send(sent),
            Err(error) if error.is::<GeneratorExit>() => {
                inner.close()?;
                return Err(error);
            }
            Err(error) => inner.throw(error),
        };
    }
}

/// The first step of a delegation to one that was stepped before; Python's `next(generator)`.
#[cold]
fn go_on<Y, S, R>(inner: &mut impl Steps<Y, S, R>) -> Result<GeneratorState<Y, R>> {
    let waits = "cannot delegate to a generator that waits for a value";
    inner.send(nothing().ok_or_else(|| RuntimeError::new(waits))?)
}

/// What a delegation gives that ends with `error`. One that had ended before has nothing to give.
#[cold]
fn ended<R>(error: Error) -> Result<R> {
    if !error.is::<StopIteration>() {
        return Err(error);
    }
    let ended = "cannot delegate to a generator that has ended";
    nothing().ok_or_else(|| RuntimeError::new(ended).into())
}

/// A `T`, if that is `()`.
fn nothing<T>() -> Option<T> {
    trait Named {
        fn id(&self) -> TypeId
        where
            Self: 'static;
    }
    impl<T> Named for PhantomData<T> {
        fn id(&self) -> TypeId
        where
            Self: 'static,
        {
            TypeId::of::<T>()
        }
    }
    let marker: &dyn Named = &PhantomData::<T>;
    // SAFETY: the two differ in a lifetime only, and what is called reads nothing of the `T` that has it.
    let marker = unsafe { mem::transmute::<&dyn Named, &(dyn Named + 'static)>(marker) };
    // Types that differ in lifetimes alone are the same here; `()` has none, so that it is equal to itself only.
    if marker.id() != TypeId::of::<()>() {
        return None;
    }
    // SAFETY: `T` is `()`.
    Some(unsafe { mem::transmute_copy::<(), T>(&()) })
}

impl<Y, I> YieldFrom<Y, (), ()> for I
where
    I: IntoIterator<Item = Y>,
{
    fn yield_all(self, yielder: &Yielder<Y>) -> Result<()> {
        self.into_iter().try_for_each(|item| yielder.yield_(item))
    }
}
