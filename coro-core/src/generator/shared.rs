//! Generators that several hold.
//!
//! Floor 2.

use std::fmt::{self, Debug};
use std::rc::Rc;

use super::core::Steps;
use super::{FrameState, GeneratorState, Turns};
use crate::error::{Error, Result};

/// A generator that several hold; made by [`Generator::shared`](crate::Generator::shared).
///
/// Stepping it while it runs is the error [`ValueError`](crate::ValueError) "generator already executing".
///
/// ```
/// # use coro_core::prelude::*;
/// use std::{cell::RefCell, rc::Rc};
/// let me: Rc<RefCell<Option<coro_core::SharedGenerator<u32, (), ()>>>> = Rc::default();
/// let inside = Rc::clone(&me);
/// let one = coro_core::generator(move |y: &coro_core::Yielder<u32>| {
///     let error = inside.take().unwrap().start().unwrap_err();
///     assert_eq!(error.to_string(), "generator already executing");
///     y.yield_(1)
/// });
/// let one = one.shared();
/// me.replace(Some(one.clone()));
/// assert_eq!(one.start()?, GeneratorState::Yielded(1));
/// # Ok::<(), Error>(())
/// ```
pub struct SharedGenerator<Y, S, R> {
    inner: Rc<Turns<dyn Steps<Y, S, R>>>,
}

impl<Y, S, R> Clone for SharedGenerator<Y, S, R> {
    fn clone(&self) -> Self {
        Self { inner: Rc::clone(&self.inner) }
    }
}

impl<Y, S, R> SharedGenerator<Y, S, R> {
    pub(super) fn new(steps: Box<dyn Steps<Y, S, R>>) -> Self {
        Self { inner: Rc::new(Turns::new("generator", steps)) }
    }

    /// Where it is in its life.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// use coro_core::FrameState;
    /// let one = coro_core::generator(|y: &coro_core::Yielder<u32>| y.yield_(1)).shared();
    /// assert_eq!(one.state(), FrameState::Created);
    /// one.start()?;
    /// assert_eq!(one.clone().state(), FrameState::Suspended);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn state(&self) -> FrameState {
        self.inner.look(|steps| steps.state()).unwrap_or(FrameState::Running)
    }

    /// As [`Generator::start`](crate::Generator::start).
    ///
    /// # Errors
    /// As there; and [`ValueError`](crate::ValueError) while it runs.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// let one = coro_core::generator(|y: &coro_core::Yielder<u32>| y.yield_(1)).shared();
    /// assert_eq!(one.start()?, GeneratorState::Yielded(1));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn start(&self) -> Result<GeneratorState<Y, R>> {
        self.inner.step(|steps| steps.start())
    }

    /// As [`Generator::send`](crate::Generator::send).
    ///
    /// # Errors
    /// As there; and [`ValueError`](crate::ValueError) while it runs.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// let echo = coro_core::generator(|y: &coro_core::Yielder<u32, u32>| y.yield_(1)).shared();
    /// echo.start()?;
    /// assert_eq!(echo.clone().send(7)?, GeneratorState::Returned(7));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn send(&self, value: S) -> Result<GeneratorState<Y, R>> {
        self.inner.step(|steps| steps.send(value))
    }

    /// As [`Generator::throw`](crate::Generator::throw).
    ///
    /// # Errors
    /// As there; and [`ValueError`](crate::ValueError) while it runs.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// let one = coro_core::generator(|y: &coro_core::Yielder<u32>| y.yield_(1)).shared();
    /// one.start()?;
    /// assert_eq!(one.throw(Error::msg("burnt")).unwrap_err().to_string(), "burnt");
    /// # Ok::<(), Error>(())
    /// ```
    pub fn throw(&self, error: Error) -> Result<GeneratorState<Y, R>> {
        self.inner.step(|steps| steps.throw(error))
    }

    /// As [`Generator::close`](crate::Generator::close).
    ///
    /// # Errors
    /// As there; and [`ValueError`](crate::ValueError) while it runs.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// let one = coro_core::generator(|y: &coro_core::Yielder<u32>| y.yield_(1)).shared();
    /// one.start()?;
    /// assert_eq!(one.close()?, None);
    /// assert_eq!(one.state(), coro_core::FrameState::Closed);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn close(&self) -> Result<Option<R>> {
        self.inner.step(|steps| steps.close())
    }
}

/// For a delegation to it.
impl<Y, S, R> Steps<Y, S, R> for SharedGenerator<Y, S, R> {
    fn start(&mut self) -> Result<GeneratorState<Y, R>> {
        SharedGenerator::start(self)
    }

    fn send(&mut self, value: S) -> Result<GeneratorState<Y, R>> {
        SharedGenerator::send(self, value)
    }

    fn throw(&mut self, error: Error) -> Result<GeneratorState<Y, R>> {
        SharedGenerator::throw(self, error)
    }

    fn close(&mut self) -> Result<Option<R>> {
        SharedGenerator::close(self)
    }

    fn state(&self) -> FrameState {
        SharedGenerator::state(self)
    }
}

impl<Y, S, R> Debug for SharedGenerator<Y, S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<shared generator {:?}>", self.state())
    }
}
