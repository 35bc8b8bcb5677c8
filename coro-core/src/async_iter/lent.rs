//! Asynchronous generators that borrow, lent to a closure.
//!
//! Floor: the library, its lowest part.

use std::fmt::{self, Debug};

use super::AsyncIterator;
use super::generator::{Throws, yielded};
use crate::error::{Error, GeneratorExit, Result};
use crate::generator::{FrameState, Lent};

/// An asynchronous generator lent to a closure by [`AsyncGenerator::lend`](crate::AsyncGenerator::lend): it may borrow,
/// since it cannot be taken away.
///
/// # Cancellation
/// As [`AsyncGenerator`](crate::AsyncGenerator).
///
/// ```
/// # use coro_core::prelude::*;
/// async_fn! {
///     async fn letters(text: &str) yields char { for letter in text.chars() { yield!(letter); } }
/// }
/// let text = String::from("eggs");
/// let first = letters(&text).lend(|mut letters: coro_core::AsyncLent<'_, char>| letters.anext())?;
/// assert_eq!(first, Some('e'));
/// # Ok::<(), Error>(())
/// ```
pub struct AsyncLent<'g, Y, S = ()> {
    pub(super) lent: Lent<'g, Y, S, ()>,
    pub(super) throws: Throws,
}

impl<Y, S> AsyncLent<'_, Y, S> {
    /// Where it is in its life.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// use coro_core::{FrameState, Yielder, async_generator};
    /// let one = async_generator(|y: &Yielder<u32>| y.yield_(1));
    /// one.lend(|one| assert_eq!(one.state(), FrameState::Created));
    /// ```
    pub fn state(&self) -> FrameState {
        self.lent.state()
    }

    /// As [`AsyncGenerator::start`](crate::AsyncGenerator::start).
    ///
    /// # Errors
    /// As there.
    ///
    /// # Cancellation
    /// As there.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// use coro_core::{Yielder, async_generator};
    /// let one = async_generator(|y: &Yielder<u32, u32>| y.yield_(1).map(drop));
    /// assert_eq!(one.lend(|mut one| one.start())?, Some(1));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn start(&mut self) -> Result<Option<Y>> {
        yielded(self.lent.start())
    }

    /// As [`AsyncGenerator::asend`](crate::AsyncGenerator::asend).
    ///
    /// # Errors
    /// As there.
    ///
    /// # Cancellation
    /// As there.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// use coro_core::{Yielder, async_generator};
    /// let echo = async_generator(|y: &Yielder<u32, u32>| {
    ///     let sent = y.yield_(0)?;
    ///     y.yield_(sent * 2).map(drop)
    /// });
    /// assert_eq!(echo.lend(|mut echo| { echo.start()?; echo.asend(21) })?, Some(42));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn asend(&mut self, value: S) -> Result<Option<Y>> {
        yielded(self.lent.send(value))
    }

    /// As [`AsyncGenerator::athrow`](crate::AsyncGenerator::athrow).
    ///
    /// # Errors
    /// As there.
    ///
    /// # Cancellation
    /// As there.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// use coro_core::{Yielder, async_generator};
    /// let one = async_generator(|y: &Yielder<u32>| y.yield_(1));
    /// let error = one.lend(|mut one| { one.start()?; one.athrow(Error::msg("burnt")) }).unwrap_err();
    /// assert_eq!(error.to_string(), "burnt");
    /// # Ok::<(), Error>(())
    /// ```
    pub fn athrow(&mut self, error: Error) -> Result<Option<Y>> {
        self.throws.athrow(self.state(), || self.lent.throw(error))
    }
}

impl<Y> AsyncIterator for AsyncLent<'_, Y> {
    type Item = Y;

    fn anext(&mut self) -> Result<Option<Y>> {
        self.asend(())
    }

    fn aclose(&mut self) -> Result<()> {
        match self.state() {
            FrameState::Suspended => self.throws.aclose(|| self.lent.throw(GeneratorExit.into())),
            _ => self.lent.close().map(drop),
        }
    }
}

impl<Y, S> Debug for AsyncLent<'_, Y, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<lent async_generator {:?}>", self.state())
    }
}
