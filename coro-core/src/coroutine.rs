//! Coroutines, everything that can be awaited, and the one function that suspends.
//!
//! Floor 3. Awaiting a coroutine that has not started is a plain call on the present stack. One that is driven by
//! hand runs on a stack of its own, and its awaits are handed to the one who drives it.
#![allow(unsafe_code)] // starts a fiber for a coroutine driven by hand, whose body is 'static

use std::any::Any;
use std::fmt::{self, Debug};
use std::panic::resume_unwind;
use std::rc::Rc;

use crate::definition::{Definition, Origin};
use crate::error::{Error, GeneratorExit, Result, RuntimeError, StopIteration, TypeError};
use crate::events::{AnyFuture, Waitable};
use crate::fiber::{self, Awaited, Driver, Fiber, Kind, Resumed, Sent, Suspender};
use crate::generator::FrameState;
use crate::report;
use crate::stack::DEFAULT_STACK_SIZE;

/// Anything that can be awaited: Python's `__await__`.
///
/// Coroutines, tasks, futures and every `std::future::Future` are. A type of your own says in
/// [`co_await`](Self::co_await), a plain function, what awaiting it does.
///
/// ```
/// use coro_core::prelude::*;
///
/// struct Egg;
/// impl Awaitable for Egg {
///     type Output = &'static str;
///     fn co_await(self) -> Result<&'static str> {
///         sleep(millis(2)).co_await()?;
///         Ok("boiled")
///     }
/// }
/// assert_eq!(coro_core::run(Egg)?, "boiled");
/// # Ok::<(), Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be awaited",
    label = "this is no awaitable",
    note = "a coroutine, task, future, `std::future::Future`, or a type that implements `coro_core::Awaitable` can be awaited"
)]
pub trait Awaitable: Sized {
    /// What awaiting it gives.
    type Output;

    /// Waits until the result is there: suspends the task that calls it, as often as needed.
    ///
    /// # Errors
    /// What was raised in it; [`Cancelled`](crate::Cancelled) when the task is cancelled meanwhile;
    /// [`RuntimeError`] if it must suspend where nothing can.
    ///
    /// # Cancellation
    /// It is raised here, in place of a result. What is kept then is said where the awaitable is made: a
    /// [`Task`](crate::Task) awaited is cancelled with the one who waits, a [`shield`](crate::shield) is not.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let task = create_task(coroutine(|| { sleep(secs(1)).co_await()?; Ok(6) }));
    /// assert_eq!(task.co_await()?, 6);
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    fn co_await(self) -> Result<Self::Output>;

    /// The future behind it, if it is one already; itself, if it would have to become a task.
    #[doc(hidden)]
    fn __ensure(self) -> Ensured<Self> {
        Ensured::New(self)
    }

    /// The std future that it is, to be polled without a stack.
    #[doc(hidden)]
    fn __stackless(self) -> Stackless<Self>
    where
        Self: 'static,
    {
        Stackless::No(self)
    }

    #[doc(hidden)]
    fn __origin(&self) -> Origins {
        Origins(Origin::of_type::<Self>())
    }

    /// Drops it without a report that it was never awaited.
    #[doc(hidden)]
    fn __discard(self) {}
}

/// Hidden: what [`Awaitable::__ensure`] finds.
#[doc(hidden)]
pub enum Ensured<A: Awaitable> {
    Existing(Existing<A::Output>),
    New(A),
}

/// Hidden: a future that exists, and how its result is had once it is done.
#[doc(hidden)]
pub struct Existing<T> {
    pub(crate) future: Rc<dyn Waitable>,
    pub(crate) result: Box<dyn FnOnce() -> Result<T>>,
}

/// Hidden: what [`Awaitable::__stackless`] finds.
#[doc(hidden)]
pub enum Stackless<A: Awaitable> {
    Yes(StdFuture<A::Output>),
    No(A),
}

pub(crate) type StdFuture<T> = std::pin::Pin<Box<dyn std::future::Future<Output = T>>>;

/// Hidden: where an awaitable comes from.
#[doc(hidden)]
pub struct Origins(pub(crate) Origin);

/// Hands `awaited` to whoever drives this stack, and returns what comes back. Every suspension goes through here.
///
/// A task waits for a future, or lets the others run for a bare yield; a command is an error there, since a loop
/// knows none. A coroutine driven by hand gives it to its driver.
///
/// # Errors
/// What is thrown in. [`RuntimeError`] where nothing can suspend: in a callback, while unwinding, outside a task.
///
/// # Cancellation
/// Cancelling the task raises [`Cancelled`](crate::Cancelled) here; the future waited for is cancelled with it.
///
/// ```
/// use coro_core::prelude::*;
/// use coro_core::{Awaited, suspend};
/// coro_core::run(coroutine(|| {
///     suspend(Awaited::Yield)?; // lets every ready task run once
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
pub fn suspend(awaited: Awaited) -> Result<Sent> {
    fiber::suspend_to_driver(awaited)
}

/// Runs `f` in which nothing may suspend: an await in it is an error.
///
/// For code that keeps a thread-local in a state that others must not see.
///
/// # Panics
/// With the panic of `f`.
///
/// ```
/// use coro_core::prelude::*;
/// coro_core::run(coroutine(|| {
///     let error = coro_core::no_suspend(|| sleep(secs(1)).co_await()).unwrap_err();
///     assert_eq!(error.to_string(), "cannot await inside no_suspend()");
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
pub fn no_suspend<T>(f: impl FnOnce() -> T) -> T {
    fiber::barrier("inside no_suspend()", f)
}

/// The body of a coroutine: a closure that gives its result. Implemented by every such closure.
///
/// ```
/// # use coro_core::prelude::*;
/// use coro_core::{Body, Coroutine};
/// fn twice<B: Body<u32>>(body: B) -> Coroutine<impl Body<u32>> {
///     coroutine(move || Ok(2 * body()?))
/// }
/// assert_eq!(coro_core::run(twice(|| Ok(3)))?, 6);
/// # Ok::<(), Error>(())
/// ```
pub trait Body<T>: FnOnce() -> Result<T> {}
impl<T, F: FnOnce() -> Result<T>> Body<T> for F {}

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

/// A call that has not run yet: what an `async fn` of the DSL returns.
///
/// It does nothing until it is awaited, made into a task, or driven by hand with [`send`](Self::send),
/// [`throw`](Self::throw) and [`close`](Self::close). Dropped before that, it reports
/// "coroutine 'NAME' was never awaited", with the line.
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
    Coroutine::with_origin(Origin::closure("coroutine"), body)
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
    pub fn named(definition: &'static Definition, body: F) -> Self {
        Self::with_origin(Origin::Function(definition), body)
    }

    pub(crate) fn with_origin(origin: Origin, body: F) -> Self {
        Self { body: Some(body), origin, by_hand: None }
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
        Coroutine { body, origin: self.origin, by_hand: self.by_hand.take() }
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

    fn co_await(mut self) -> Result<T> {
        match self.body.take() {
            Some(body) => body(),
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

fn already_awaited() -> Error {
    RuntimeError::new("cannot reuse already awaited coroutine").into()
}

/// A coroutine on a stack of its own whose awaits come out of `send`.
struct ByHand<T> {
    origin: Origin,
    fiber: Option<Fiber<Result<Sent>, Awaited, Result<T>>>,
    running: bool,
    awaiting: Option<AnyFuture>,
}

struct HandDriver<'a>(&'a Suspender<Result<Sent>, Awaited>, Origin);

impl Driver for HandDriver<'_> {
    fn suspend(&self, awaited: Awaited) -> Result<Sent> {
        self.0.suspend(awaited)
    }

    fn describe(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        let (file, line) = self.1.place();
        write!(out, "coroutine '{}', driven by hand (defined at {file}:{line}),", self.1.name())
    }
}

impl<T> ByHand<T> {
    fn start<F>(origin: Origin, body: F) -> Result<(Self, Resumed<Awaited, Result<T>>)>
    where
        F: FnOnce() -> Result<T> + 'static,
    {
        let run = move |suspender: &Suspender<Result<Sent>, Awaited>| {
            let driver = HandDriver(suspender, origin);
            let erased: *const (dyn Driver + '_) = &driver;
            // SAFETY: only the lifetime in the pointer's type changes; it is used while this stack frame lives.
            suspender.set_driver(unsafe {
                std::mem::transmute::<*const (dyn Driver + '_), *const dyn Driver>(erased)
            });
            body()
        };
        // SAFETY: the body is 'static.
        let mut fiber = unsafe { Fiber::new(Kind::ByHand, DEFAULT_STACK_SIZE, run) }?;
        let resumed = fiber.start();
        Ok((Self { origin, fiber: Some(fiber), running: false, awaiting: None }, resumed))
    }

    fn resume(&mut self, input: Result<Sent>) -> Result<Step<T>> {
        let Some(fiber) = &mut self.fiber else { return Err(already_awaited()) };
        self.awaiting = None;
        self.running = true;
        let resumed = fiber.resume(input);
        self.running = false;
        self.after(resumed)
    }

    fn after(&mut self, resumed: Resumed<Awaited, Result<T>>) -> Result<Step<T>> {
        match resumed {
            Resumed::Suspended(awaited) => {
                self.awaiting = awaited.future().cloned();
                Ok(Step::Suspended(awaited))
            }
            Resumed::Returned(result) => {
                self.fiber = None;
                match result {
                    Err(error) if error.is::<StopIteration>() => {
                        Err(Error::caused_by(RuntimeError::new("coroutine raised StopIteration"), error))
                    }
                    result => result.map(Step::Returned),
                }
            }
            Resumed::Panicked(payload) => {
                self.fiber = None;
                resume_unwind(payload)
            }
        }
    }

    fn close(&mut self) -> Result<()> {
        if self.fiber.is_none() {
            return Ok(());
        }
        match self.resume(Err(GeneratorExit.into())) {
            Ok(Step::Returned(value)) => {
                drop(value);
                Ok(())
            }
            Ok(Step::Suspended(_)) => Err(RuntimeError::new("coroutine ignored GeneratorExit").into()),
            Err(error) if error.is::<GeneratorExit>() || error.is::<StopIteration>() => Ok(()),
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
    /// `send` says that it may go on, and what the await gives where it was a [`Awaited::Command`].
    ///
    /// # Errors
    /// What it raises; [`TypeError`] for a value sent before its start; [`RuntimeError`] after its end.
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

    /// Ends it: raises [`GeneratorExit`] where it waits; `coroutine.close()`. One that has not started never runs,
    /// and is not reported either.
    ///
    /// # Errors
    /// What it raises instead; [`RuntimeError`] "coroutine ignored GeneratorExit" if it awaits again.
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
            Some(hand) if hand.running => FrameState::Running,
            Some(hand) if hand.fiber.is_some() => FrameState::Suspended,
            _ => FrameState::Closed,
        }
    }

    /// Whether it runs now; `cr_running`.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// let mut one = coroutine(|| Ok(1));
    /// assert!(!one.cr_running()); // nobody else can look while `send` has it
    /// # one.close()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn cr_running(&self) -> bool {
        self.state() == FrameState::Running
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
            let (file, line) = self.origin.place();
            report::runtime_warning(
                format_args!("coroutine '{}' was never awaited", self.name()),
                file,
                line,
            );
        }
    }
}

impl<F> Debug for Coroutine<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<coroutine object {} at {:p}>", self.name(), self)
    }
}
