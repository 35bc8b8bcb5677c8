//! The life of one generator: started, suspended and resumed, ended.
//!
//! Floor 2. Who may hold it, and whether it may borrow, is the question of those who own a [`Core`].
#![allow(unsafe_code)] // starts fibers whose bodies may borrow, see `Core::start`

use std::panic::resume_unwind;

use super::{FrameState, GeneratorState, Yielder};
use crate::definition::Origin;
use crate::error::{Error, GeneratorExit, Result, RuntimeError, StopIteration, TypeError, ValueError};
use crate::fiber::{self, Fiber, Kind, Resumed, Suspender};
use crate::report;
use crate::stack::DEFAULT_STACK_SIZE;

/// The life of one generator, without the question of who may hold it.
pub(super) struct Core<Y, S, R, F> {
    pub(super) origin: Origin,
    body: Option<F>,
    fiber: Option<Fiber<Result<S>, Y, Result<R>>>,
    pub(super) state: FrameState,
    pub(super) stack_size: usize,
    /// Set where it runs pinned in a frame, since its body may borrow from there: it cannot be leaked then.
    pub(super) pinned: bool,
}

impl<Y, S, R, F> Drop for Core<Y, S, R, F> {
    /// Closes a suspended generator, or unwinds it: while its thread unwinds already, and when it will not end.
    fn drop(&mut self) {
        let Some(mut fiber) = self.fiber.take() else { return };
        let name = self.origin.name();
        if self.state == FrameState::Suspended && !std::thread::panicking() && !fiber::is_unwinding() {
            match fiber.resume(Err(GeneratorExit.into())) {
                Resumed::Suspended(value) => {
                    drop(value);
                    report::unraisable(format_args!("generator '{name}' ignored GeneratorExit"));
                }
                Resumed::Returned(Err(error))
                    if !error.is::<GeneratorExit>() && !error.is::<StopIteration>() =>
                {
                    return report::unraisable(format_args!("closing generator '{name}' raised {error:?}"));
                }
                Resumed::Returned(_) => return,
                Resumed::Panicked(payload) => resume_unwind(payload),
            }
        }
        let Err(why) = fiber.unwind() else { return };
        if self.pinned {
            // What is on the stack may have lent what it borrows, to a thread say, and would never take it back.
            report::error(format_args!(
                "generator '{name}' borrows from its caller and cannot end: {why}: aborting"
            ));
            std::process::abort();
        }
        report::error(format_args!("the stack of generator '{name}' was leaked: {why}"));
    }
}

impl<Y, S, R, F> Core<Y, S, R, F>
where
    F: FnOnce(&Yielder<Y, S>) -> Result<R>,
{
    pub(super) fn new(origin: Origin, body: F) -> Self {
        Self {
            origin,
            body: Some(body),
            fiber: None,
            state: FrameState::Created,
            stack_size: DEFAULT_STACK_SIZE,
            pinned: false,
        }
    }

    pub(super) fn start(&mut self) -> Result<GeneratorState<Y, R>> {
        let Some(body) = self.body.take() else {
            return Err(match self.state {
                FrameState::Suspended => {
                    RuntimeError::new("the generator has started already: use send()").into()
                }
                _ => self.ended(),
            });
        };
        self.state = FrameState::Closed; // stays so if there is no stack to be had
        let run = move |suspender: &Suspender<Result<S>, Y>| body(&Yielder { suspender });
        // SAFETY: whoever owns this core either demands that the body is 'static (the methods of `Generator`) or
        // keeps the core in a frame that cannot be forgotten (`lend`, `yield_from`, `InFrame`) and sets `pinned`:
        // the stack is empty before that frame goes, or the process ends.
        let fiber = self.fiber.insert(unsafe { Fiber::new(Kind::Generator, self.stack_size, run) }?);
        self.state = FrameState::Running;
        let resumed = fiber.start();
        self.after(resumed)
    }

    #[inline]
    pub(super) fn send(&mut self, value: S) -> Result<GeneratorState<Y, R>> {
        match self.state {
            FrameState::Created if size_of::<S>() > 0 => {
                Err(TypeError::new("can't send a value to a just-started generator: call start() first")
                    .into())
            }
            FrameState::Created => self.start(),
            FrameState::Suspended => self.resume(Ok(value)),
            FrameState::Running | FrameState::Closed => Err(self.ended()),
        }
    }

    pub(super) fn throw(&mut self, error: Error) -> Result<GeneratorState<Y, R>> {
        match self.state {
            FrameState::Suspended => self.resume(Err(error)),
            FrameState::Running => Err(self.ended()),
            FrameState::Created | FrameState::Closed => {
                self.state = FrameState::Closed;
                drop(self.body.take());
                Err(error)
            }
        }
    }

    pub(super) fn close(&mut self) -> Result<Option<R>> {
        match self.state {
            FrameState::Created | FrameState::Closed => {
                self.state = FrameState::Closed;
                drop(self.body.take());
                return Ok(None);
            }
            FrameState::Running => return Err(self.ended()),
            FrameState::Suspended => {}
        }
        match self.resume(Err(GeneratorExit.into())) {
            Ok(GeneratorState::Returned(value)) => Ok(Some(value)),
            Ok(GeneratorState::Yielded(value)) => {
                drop(value);
                Err(RuntimeError::new("generator ignored GeneratorExit").into())
            }
            Err(error) if error.is::<GeneratorExit>() || error.is::<StopIteration>() => Ok(None),
            Err(error) => Err(error),
        }
    }

    #[inline(always)] // as the fiber's own `resume`
    fn resume(&mut self, input: Result<S>) -> Result<GeneratorState<Y, R>> {
        let Some(fiber) = &mut self.fiber else { return Err(self.ended()) };
        self.state = FrameState::Running;
        let resumed = fiber.resume(input);
        self.after(resumed)
    }

    #[inline(always)]
    fn after(&mut self, resumed: Resumed<Y, Result<R>>) -> Result<GeneratorState<Y, R>> {
        if let Resumed::Suspended(value) = resumed {
            self.state = FrameState::Suspended;
            return Ok(GeneratorState::Yielded(value));
        }
        self.state = FrameState::Closed;
        self.fiber = None; // the stack goes back to the pool now
        match resumed {
            Resumed::Returned(Ok(value)) => Ok(GeneratorState::Returned(value)),
            Resumed::Returned(Err(error)) if error.is::<StopIteration>() => {
                Err(Error::caused_by(RuntimeError::new("generator raised StopIteration"), error))
            }
            Resumed::Returned(Err(error)) => Err(error),
            Resumed::Panicked(payload) => resume_unwind(payload),
            Resumed::Suspended(_) => unreachable!("handled above"),
        }
    }

    fn ended(&self) -> Error {
        match self.state {
            FrameState::Running => ValueError::new("generator already executing").into(),
            _ => StopIteration.into(),
        }
    }
}

/// The steps of a generator whose body is not named.
pub(super) trait Steps<Y, S, R> {
    fn start(&mut self) -> Result<GeneratorState<Y, R>>;
    fn send(&mut self, value: S) -> Result<GeneratorState<Y, R>>;
    fn throw(&mut self, error: Error) -> Result<GeneratorState<Y, R>>;
    fn close(&mut self) -> Result<Option<R>>;
    fn state(&self) -> FrameState;
}

impl<Y, S, R, F> Steps<Y, S, R> for Core<Y, S, R, F>
where
    F: FnOnce(&Yielder<Y, S>) -> Result<R>,
{
    fn start(&mut self) -> Result<GeneratorState<Y, R>> {
        Core::start(self)
    }

    fn send(&mut self, value: S) -> Result<GeneratorState<Y, R>> {
        Core::send(self, value)
    }

    fn throw(&mut self, error: Error) -> Result<GeneratorState<Y, R>> {
        Core::throw(self, error)
    }

    fn close(&mut self) -> Result<Option<R>> {
        Core::close(self)
    }

    fn state(&self) -> FrameState {
        self.state
    }
}

/// The four steps that a generator can be asked for, on the types that offer them.
macro_rules! steps {
    ($generator:ident => $steps:expr) => {
        /// Runs it to its first yield; `next(generator)` on a fresh one.
        ///
        /// # Errors
        /// What it raises; [`RuntimeError`](crate::RuntimeError) if it has started already;
        /// [`StopIteration`](crate::StopIteration) if it has ended.
        ///
        /// # Panics
        /// With the panic of the generator, which has ended then.
        ///
        /// ```
        /// # use coro_core::prelude::*;
        /// let mut one = coro_core::generator(|y: &coro_core::Yielder<u32>| y.yield_(1));
        /// assert_eq!(one.start()?, GeneratorState::Yielded(1));
        /// assert!(one.start().is_err()); // has started
        /// # Ok::<(), Error>(())
        /// ```
        pub fn start(&mut self) -> Result<GeneratorState<Y, R>> {
            let $generator = self;
            $steps.start()
        }

        /// Resumes it: the yield it stands at gives `value`.
        ///
        /// # Errors
        /// What it raises; [`TypeError`](crate::TypeError) if it has not started (`S = ()` starts it);
        /// [`StopIteration`](crate::StopIteration) if it has ended.
        ///
        /// # Panics
        /// As [`start`](Self::start).
        ///
        /// ```
        /// # use coro_core::prelude::*;
        /// let mut echo = coro_core::generator(|y: &coro_core::Yielder<&str, u32>| y.yield_("ready"));
        /// assert_eq!(echo.start()?, GeneratorState::Yielded("ready"));
        /// assert_eq!(echo.send(7)?, GeneratorState::Returned(7));
        /// assert!(echo.send(8).unwrap_err().is::<coro_core::StopIteration>());
        /// # Ok::<(), Error>(())
        /// ```
        pub fn send(&mut self, value: S) -> Result<GeneratorState<Y, R>> {
            let $generator = self;
            $steps.send(value)
        }

        /// Resumes it: the yield it stands at raises `error`. One that has not started ends without having run.
        ///
        /// # Errors
        /// `error` itself if the generator does not catch it, or what it raises instead.
        ///
        /// # Panics
        /// As [`start`](Self::start).
        ///
        /// ```
        /// # use coro_core::prelude::*;
        /// let patient = |y: &coro_core::Yielder<u32>| Ok(y.yield_(1).unwrap_err().to_string());
        /// let mut patient = coro_core::generator(patient);
        /// patient.start()?;
        /// assert_eq!(patient.throw(Error::msg("burnt"))?, GeneratorState::Returned("burnt".to_owned()));
        /// # Ok::<(), Error>(())
        /// ```
        pub fn throw(&mut self, error: Error) -> Result<GeneratorState<Y, R>> {
            let $generator = self;
            $steps.throw(error)
        }

        /// Ends it: raises [`GeneratorExit`](crate::GeneratorExit) at its yield. Gives what it returns then, if it
        /// returns.
        ///
        /// # Errors
        /// What it raises instead; [`RuntimeError`](crate::RuntimeError) "generator ignored GeneratorExit" if it
        /// yields.
        ///
        /// # Panics
        /// As [`start`](Self::start).
        ///
        /// ```
        /// # use coro_core::prelude::*;
        /// let tidy = |y: &coro_core::Yielder<u32>| {
        ///     let ended = y.yield_(1).unwrap_err();
        ///     Ok(ended.is::<GeneratorExit>())
        /// };
        /// let mut tidy = coro_core::generator(tidy);
        /// tidy.start()?;
        /// assert_eq!(tidy.close()?, Some(true));
        /// assert_eq!(tidy.close()?, None); // closing twice is fine
        /// # Ok::<(), Error>(())
        /// ```
        pub fn close(&mut self) -> Result<Option<R>> {
            let $generator = self;
            $steps.close()
        }
    };
}
pub(super) use steps;
