//! Generators that borrow, lent to a closure.
//!
//! Floor 2.

use super::core::{Steps, steps};
use super::{FrameState, GeneratorState};
use crate::error::{Error, Result};

/// A generator lent to a closure by [`Generator::lend`](crate::Generator::lend): it may borrow, since it cannot be
/// taken away.
///
/// ```
/// # use coro_core::prelude::*;
/// let text = String::from("eggs");
/// let letters = coro_core::generator(|y: &coro_core::Yielder<char>| {
///     for letter in text.chars() { y.yield_(letter)?; }
///     Ok(())
/// });
/// let first = letters.lend(|mut letters| letters.start())?;
/// assert_eq!(first, GeneratorState::Yielded('e'));
/// # Ok::<(), Error>(())
/// ```
pub struct Lent<'g, Y, S, R> {
    pub(super) steps: &'g mut dyn Steps<Y, S, R>,
}

impl<Y, S, R> Lent<'_, Y, S, R> {
    steps!(this => this.steps);

    /// Where it is in its life.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// use coro_core::FrameState;
    /// let one = coro_core::generator(|y: &coro_core::Yielder<u32>| y.yield_(1));
    /// one.lend(|mut one| {
    ///     assert_eq!(one.state(), FrameState::Created);
    ///     one.start()?;
    ///     assert_eq!(one.state(), FrameState::Suspended);
    ///     Ok::<(), Error>(())
    /// })?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn state(&self) -> FrameState {
        self.steps.state()
    }
}

impl<Y, R> Iterator for Lent<'_, Y, (), R> {
    type Item = Result<Y>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.state() == FrameState::Closed {
            return None;
        }
        match self.send(()) {
            Ok(GeneratorState::Yielded(value)) => Some(Ok(value)),
            Ok(GeneratorState::Returned(_)) => None,
            Err(error) => Some(Err(error)),
        }
    }
}
