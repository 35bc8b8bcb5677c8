//! Coroutines driven by hand: on a stack of their own, step by step.
//!
//! Floor 3.
#![allow(unsafe_code)] // starts a fiber for a coroutine driven by hand, whose body is 'static

use std::fmt;
use std::panic::resume_unwind;

use crate::definition::Origin;
use crate::error::{Error, GeneratorExit, Result, RuntimeError, StopIteration};
use crate::events::AnyFuture;
use crate::fiber::{self, Awaited, Describe, Driven, Fiber, Kind, Resumed, Sent};
use crate::report;
use crate::stack::DEFAULT_STACK_SIZE;

/// What one step of a coroutine driven by hand gave.
///
/// ```
/// # use coro_core::prelude::*;
/// use coro_core::{Awaited, Step, suspend};
/// let mut two_steps = coroutine(|| { suspend(Awaited::Yield)?; Ok(6) });
/// assert!(matches!(two_steps.send(None)?, Step::Suspended(Awaited::Yield)));
/// assert!(matches!(two_steps.send(None)?, Step::Returned(6)));
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug)]
pub enum Step<T> {
    /// It waits for this.
    Suspended(Awaited),
    /// It returned this and has ended; in Python the value of a `StopIteration`.
    Returned(T),
}

pub(super) fn already_awaited() -> Error {
    RuntimeError::new("cannot reuse already awaited coroutine").into()
}

/// What a body raised, as the one who runs it sees that: no coroutine ends a generator that awaits it.
#[cold]
pub(super) fn raised_by_coroutine(error: Error) -> Error {
    match error.is::<StopIteration>() {
        true => Error::caused_by(RuntimeError::new("coroutine raised StopIteration"), error),
        false => error,
    }
}

/// A coroutine on a stack of its own whose awaits come out of `send`.
pub(super) struct ByHand<T> {
    origin: Origin,
    fiber: Option<Fiber<Result<Sent>, Awaited, Result<T>>>,
    pub(super) awaiting: Option<AnyFuture>,
}

struct HandDriver(Origin);

impl Describe for HandDriver {
    fn describe(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        let (file, line) = self.0.place();
        write!(out, "coroutine '{}', driven by hand (defined at {file}:{line}),", self.0.name())
    }
}

impl<T> ByHand<T> {
    pub(super) fn start<F>(origin: Origin, body: F) -> Result<(Self, Resumed<Awaited, Result<T>>)>
    where
        F: FnOnce() -> Result<T> + 'static,
    {
        let run = move |driven: &Driven| {
            let driver = HandDriver(origin);
            driven.drive(&driver);
            body()
        };
        // SAFETY: the body is 'static.
        let mut fiber = unsafe { Fiber::new(Kind::ByHand, DEFAULT_STACK_SIZE, run) }?;
        let resumed = fiber.start();
        Ok((Self { origin, fiber: Some(fiber), awaiting: None }, resumed))
    }

    /// Whether it has not ended.
    pub(super) fn is_suspended(&self) -> bool {
        self.fiber.is_some()
    }

    pub(super) fn resume(&mut self, input: Result<Sent>) -> Result<Step<T>> {
        let Some(fiber) = &mut self.fiber else { return Err(already_awaited()) };
        self.awaiting = None;
        let resumed = fiber.resume(input);
        self.after(resumed)
    }

    pub(super) fn after(&mut self, resumed: Resumed<Awaited, Result<T>>) -> Result<Step<T>> {
        match resumed {
            Resumed::Suspended(awaited) => {
                self.awaiting = awaited.future().cloned();
                Ok(Step::Suspended(awaited))
            }
            Resumed::Returned(result) => {
                self.fiber = None;
                result.map(Step::Returned).map_err(raised_by_coroutine)
            }
            Resumed::Panicked(payload) => {
                self.fiber = None;
                resume_unwind(payload)
            }
        }
    }

    pub(super) fn close(&mut self) -> Result<()> {
        if self.fiber.is_none() {
            return Ok(());
        }
        match self.resume(Err(GeneratorExit.into())) {
            Ok(Step::Returned(value)) => {
                drop(value);
                Ok(())
            }
            Ok(Step::Suspended(_)) => Err(RuntimeError::new("coroutine ignored GeneratorExit").into()),
            Err(error) if error.is::<GeneratorExit>() => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl<T> Drop for ByHand<T> {
    fn drop(&mut self) {
        let name = self.origin.name();
        let may_run = self.fiber.is_some() && !std::thread::panicking() && !fiber::is_unwinding();
        if let Some(Err(error)) = may_run.then(|| self.close()) {
            report::unraisable(format_args!("closing coroutine '{name}': {error:?}"));
        }
        if let Some(Err(why)) = self.fiber.take().map(Fiber::unwind) {
            report::error(format_args!("the stack of coroutine '{name}' was leaked: {why}"));
        }
    }
}
