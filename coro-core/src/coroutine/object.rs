//! The coroutine object: a call that has not run yet, or that is driven by hand.
//!
//! Floor 3.
#![allow(unsafe_code)] // awaits what was begun by hand, whose type was erased

use std::any::Any;
use std::fmt::{self, Debug};
use std::panic::Location;

use super::by_hand::{ByHand, Step, already_awaited, raised_by_coroutine};
use super::shared::SharedCoroutine;
use super::{Awaitable, Origins, suspend};
use crate::definition::{Definition, Origin};
use crate::error::{Error, Result, TypeError};
use crate::events::AnyFuture;
use crate::fiber::Sent;
use crate::generator::FrameState;
use crate::report;

/// A call that has not run yet: what an `async fn` of the DSL returns.
///
/// It does nothing until it is awaited, made into a task, or driven by hand with [`send`](Self::send),
/// [`throw`](Self::throw) and [`close`](Self::close). Dropped before that, it reports
/// "coroutine 'NAME' was never awaited", with the file and line of the call that made it.
///
/// # Cancellation
/// Awaited, it is a part of the task: a cancellation is raised at the await that it stands at.
///
/// ```
/// use coro_core::prelude::*;
/// use coro_core::{FrameState, Step};
///
/// let mut six = coroutine(|| Ok(2 * 3));
/// assert_eq!(six.state(), FrameState::Created);
/// assert!(matches!(six.send(None)?, Step::Returned(6)));
/// assert_eq!(six.send(None).unwrap_err().to_string(), "cannot reuse already awaited coroutine");
/// # Ok::<(), Error>(())
/// ```
///
/// A coroutine stays on its thread:
/// ```compile_fail
/// let coroutine = coro_core::coroutine(|| Ok(1));
/// std::thread::spawn(move || drop(coroutine));
/// ```
/// One that borrows can be awaited, but not driven by hand, since it could be forgotten while it is suspended:
/// ```compile_fail
/// let text = String::from("borrowed");
/// let mut length = coro_core::coroutine(|| Ok(text.len()));
/// length.send(None).unwrap();
/// ```
#[must_use = "a coroutine does nothing until it is awaited"]
pub struct Coroutine<F> {
    body: Option<F>,
    origin: Origin,
    /// The call that made it, for the report that it was never awaited.
    made_at: &'static Location<'static>,
    by_hand: Option<Box<dyn Any>>,
}

/// Makes a coroutine from a closure: `async_fn!` without the DSL.
///
/// ```
/// use coro_core::prelude::*;
/// assert_eq!(coro_core::run(coroutine(|| Ok(6)))?, 6);
/// # Ok::<(), Error>(())
/// ```
#[track_caller]
pub fn coroutine<F, T>(body: F) -> Coroutine<F>
where
    F: FnOnce() -> Result<T>,
{
    Coroutine::with_origin(Origin::closure(|| "coroutine"), body)
}

impl<F> Coroutine<F> {
    /// A coroutine whose name and place are known.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// use coro_core::{Coroutine, Definition};
    /// static BOIL: Definition = Definition::new("boil", file!(), line!());
    /// let boil = Coroutine::named(&BOIL, || Ok("soft"));
    /// assert_eq!(boil.name(), "boil");
    /// assert_eq!(coro_core::run(boil)?, "soft");
    /// # Ok::<(), Error>(())
    /// ```
    #[track_caller]
    pub fn named(definition: &'static Definition, body: F) -> Self {
        Self::with_origin(Origin::Function(definition), body)
    }

    #[track_caller]
    pub(crate) fn with_origin(origin: Origin, body: F) -> Self {
        Self { body: Some(body), origin, made_at: Location::caller(), by_hand: None }
    }

    /// The name of the function it is a call of; `cr_code.co_name`.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// async_fn! {
    ///     async fn boil() {}
    /// }
    /// let egg = boil();
    /// assert_eq!(egg.name(), "boil");
    /// # coro_core::run(egg)?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn name(&self) -> &'static str {
        self.origin.name()
    }

    /// The file and line of that function; `cr_code.co_filename`, `cr_code.co_firstlineno`.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// let egg = coroutine(|| Ok(())); let line = line!();
    /// assert_eq!(egg.place(), (file!(), line));
    /// # coro_core::run(egg)?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn place(&self) -> (&'static str, u32) {
        self.origin.place()
    }
}

impl<F, T> Coroutine<F>
where
    F: FnOnce() -> Result<T>,
{
    /// The same coroutine with a type that can be named, for a struct field or a trait method.
    ///
    /// ```
    /// use coro_core::prelude::*;
    /// let eggs: Vec<BoxCoroutine<u32>> = (1..=2).map(|n| coroutine(move || Ok(n)).boxed()).collect();
    /// let total: u32 = coro_core::run(coroutine(|| gather(eggs).co_await()))?.into_iter().sum();
    /// assert_eq!(total, 3);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn boxed<'a>(mut self) -> LocalBoxCoroutine<'a, T>
    where
        F: 'a,
    {
        let body = self.body.take().map(|body| Box::new(body) as Box<dyn FnOnce() -> Result<T> + 'a>);
        Coroutine { body, origin: self.origin, made_at: self.made_at, by_hand: self.by_hand.take() }
    }
}

/// A coroutine with a type that can be named, which may borrow for `'a`.
///
/// ```
/// # use coro_core::prelude::*;
/// use coro_core::LocalBoxCoroutine;
/// fn length(text: &str) -> LocalBoxCoroutine<'_, usize> {
///     coroutine(move || Ok(text.len())).boxed()
/// }
/// let text = String::from("egg");
/// assert_eq!(coro_core::run(length(&text))?, 3);
/// # Ok::<(), Error>(())
/// ```
pub type LocalBoxCoroutine<'a, T> = Coroutine<Box<dyn FnOnce() -> Result<T> + 'a>>;

/// A coroutine with a type that can be named.
///
/// ```
/// # use coro_core::prelude::*;
/// fn steps() -> Vec<BoxCoroutine<u32>> {
///     vec![coroutine(|| Ok(1)).boxed(), coroutine(|| Ok(2)).boxed()]
/// }
/// assert_eq!(coro_core::run(coroutine(|| gather(steps()).co_await()))?, [1, 2]);
/// # Ok::<(), Error>(())
/// ```
pub type BoxCoroutine<T> = LocalBoxCoroutine<'static, T>;

impl<F, T> Awaitable for Coroutine<F>
where
    F: FnOnce() -> Result<T>,
{
    type Output = T;

    #[inline(always)] // see `suspend`
    fn co_await(mut self) -> Result<T> {
        match self.body.take() {
            Some(body) => body().map_err(raised_by_coroutine),
            None => self.continue_by_hand(),
        }
    }

    fn __origin(&self) -> Origins {
        Origins(self.origin)
    }

    fn __discard(mut self) {
        drop(self.body.take());
    }
}

impl<F, T> Coroutine<F>
where
    F: FnOnce() -> Result<T>,
{
    /// Awaits what was begun by hand.
    #[cold]
    fn continue_by_hand(mut self) -> Result<T> {
        let Some(by_hand) = self.by_hand.take() else { return Err(already_awaited()) };
        // SAFETY: only `send` fills `by_hand`, with a `ByHand` of the result type of this very body, which is `T`;
        // the downcast that would check it is not to be had, since `T` need not be 'static here.
        let mut by_hand = unsafe { Box::from_raw(Box::into_raw(by_hand).cast::<ByHand<T>>()) };
        let mut step = by_hand.resume(Ok(None))?;
        loop {
            match step {
                Step::Returned(value) => return Ok(value),
                Step::Suspended(awaited) => step = by_hand.resume(suspend(awaited))?,
            }
        }
    }
}

impl<F, T> Coroutine<F>
where
    F: FnOnce() -> Result<T> + 'static,
    T: 'static,
{
    fn by_hand(&mut self) -> Option<&mut ByHand<T>> {
        self.by_hand.as_mut()?.downcast_mut()
    }

    /// Runs it to its next await, or to its end; `coroutine.send(value)`.
    ///
    /// The first call starts it and takes `None`. What it then waits for is in [`Step::Suspended`]; the next
    /// `send` says that it may go on, and what the await gives where it was a
    /// [`Awaited::Command`](crate::Awaited::Command).
    ///
    /// # Errors
    /// What it raises; [`TypeError`] for a value sent before its start; [`RuntimeError`](crate::RuntimeError) after
    /// its end.
    ///
    /// # Panics
    /// With the panic of the coroutine, which has ended then.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// use coro_core::{Awaited, Step, suspend};
    /// let mut ask = coroutine(|| {
    ///     let answer = suspend(Awaited::Command(Box::new("?")))?;
    ///     Ok(answer.is_some())
    /// });
    /// assert!(matches!(ask.send(None)?, Step::Suspended(Awaited::Command(_))));
    /// assert!(matches!(ask.send(Some(Box::new(42)))?, Step::Returned(true)));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn send(&mut self, value: Sent) -> Result<Step<T>> {
        if value.is_some() && self.body.is_some() {
            return Err(TypeError::new("can't send non-None value to a just-started coroutine").into());
        }
        let Some(body) = self.body.take() else {
            return self.by_hand().ok_or_else(already_awaited)?.resume(Ok(value));
        };
        let (mut by_hand, resumed) = ByHand::start(self.origin, body)?;
        let step = by_hand.after(resumed);
        self.by_hand = Some(Box::new(by_hand));
        step
    }

    /// Raises `error` where it waits; `coroutine.throw(error)`. One that has not started ends without having run.
    ///
    /// # Errors
    /// `error` itself if the coroutine does not catch it, or what it raises instead.
    ///
    /// # Panics
    /// As [`send`](Self::send).
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// use coro_core::{Awaited, Step, suspend};
    /// let mut brave = coroutine(|| Ok(suspend(Awaited::Yield).unwrap_err().to_string()));
    /// brave.send(None)?;
    /// let Step::Returned(text) = brave.throw(Error::msg("burnt"))? else { unreachable!() };
    /// assert_eq!(text, "burnt");
    /// # Ok::<(), Error>(())
    /// ```
    pub fn throw(&mut self, error: Error) -> Result<Step<T>> {
        if let Some(body) = self.body.take() {
            drop(body);
            return Err(error);
        }
        self.by_hand().ok_or_else(already_awaited)?.resume(Err(error))
    }

    /// Ends it: raises [`GeneratorExit`](crate::GeneratorExit) where it waits; `coroutine.close()`. One that has not
    /// started never runs, and is not reported either.
    ///
    /// # Errors
    /// What it raises instead; [`RuntimeError`](crate::RuntimeError) "coroutine ignored GeneratorExit" if it awaits
    /// again.
    ///
    /// # Panics
    /// As [`send`](Self::send).
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// use coro_core::{Awaited, FrameState, suspend};
    /// let mut endless = coroutine(|| -> Result<()> { loop { suspend(Awaited::Yield)?; } });
    /// endless.send(None)?;
    /// endless.close()?;
    /// assert_eq!(endless.state(), FrameState::Closed);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn close(&mut self) -> Result<()> {
        drop(self.body.take());
        self.by_hand().map_or(Ok(()), ByHand::close)
    }

    /// Where it is in its life; `inspect.getcoroutinestate`.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// use coro_core::{Awaited, FrameState, suspend};
    /// let mut pause = coroutine(|| suspend(Awaited::Yield).map(drop));
    /// assert_eq!(pause.state(), FrameState::Created);
    /// pause.send(None)?;
    /// assert_eq!(pause.state(), FrameState::Suspended);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn state(&self) -> FrameState {
        match self.by_hand.as_ref().and_then(|hand| hand.downcast_ref::<ByHand<T>>()) {
            _ if self.body.is_some() => FrameState::Created,
            Some(hand) if hand.is_suspended() => FrameState::Suspended,
            _ => FrameState::Closed,
        }
    }

    /// Whether it runs now; `cr_running`. Never, for who can ask: a step borrows it. The handles of a
    /// [`shared`](Self::shared) one see it.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// let mut one = coroutine(|| Ok(1));
    /// assert!(!one.cr_running());
    /// # one.close()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn cr_running(&self) -> bool {
        self.state() == FrameState::Running
    }

    /// A handle that can be cloned, also into the coroutine itself.
    ///
    /// # Cancellation
    /// Awaited, it is a part of the task, as the coroutine itself is.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// use coro_core::{Awaited, FrameState, suspend};
    /// let pause = coroutine(|| suspend(Awaited::Yield).map(drop)).shared();
    /// let other = pause.clone();
    /// pause.send(None)?;
    /// other.close()?;
    /// assert_eq!(pause.state(), FrameState::Closed);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn shared(self) -> SharedCoroutine<T> {
        SharedCoroutine::new(self.origin, self.boxed())
    }

    /// The future it waits for, if it is suspended at one; `cr_await`.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let future = coro_core::Future::<u32>::new();
    /// let mut waiting = coroutine({ let future = future.clone(); move || future.co_await() });
    /// waiting.send(None)?;
    /// assert!(waiting.cr_await().unwrap().same(&future.any()));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn cr_await(&self) -> Option<AnyFuture> {
        self.by_hand.as_ref()?.downcast_ref::<ByHand<T>>()?.awaiting.clone()
    }
}

impl<F> Drop for Coroutine<F> {
    fn drop(&mut self) {
        if self.body.is_some() {
            report::runtime_warning(
                format_args!("coroutine '{}' was never awaited", self.name()),
                self.made_at.file(),
                self.made_at.line(),
            );
        }
    }
}

impl<F> Debug for Coroutine<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<coroutine object {} at {:p}>", self.name(), self)
    }
}
