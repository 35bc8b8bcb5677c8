//! What the macros' expansions use. Nothing here is for users, and nothing here is stable.
#![allow(unsafe_code)] // `in_frame` hands its promise to the macros

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::{ExitCode, Termination};

pub use crate::coroutine::Body;
pub use crate::definition::Definition;
pub use crate::reflect::{IsAsyncGenerator, IsAwaitable, IsCoroutine, IsFuture, IsGenerator, Otherwise};

use crate::async_context::{AsyncContextManager, ContextManager};
use crate::async_iter::{AsyncGenerator, AsyncIterator};
use crate::coroutine::{Awaitable, Coroutine};
use crate::error::{Error, KeyboardInterrupt, Panicked, Result, SystemExit, ValueError};
use crate::generator::{Generator, Yielder};
use crate::report;
use crate::runner::RunBuilder;
use crate::unwind;

/// The body of a generator. Implemented by every closure of that form.
pub trait GeneratorBody<Y, S, R>: FnOnce(&Yielder<Y, S>) -> Result<R> {}
impl<Y, S, R, F: FnOnce(&Yielder<Y, S>) -> Result<R>> GeneratorBody<Y, S, R> for F {}

#[track_caller]
pub fn coroutine<F, T>(definition: &'static Definition, body: F) -> Coroutine<F>
where
    F: FnOnce() -> Result<T>,
{
    Coroutine::named(definition, body)
}

pub fn generator<Y, S, R, F>(definition: &'static Definition, body: F) -> Generator<Y, S, R, F>
where
    F: FnOnce(&Yielder<Y, S>) -> Result<R>,
{
    Generator::named(definition, body)
}

pub fn async_generator<Y, S, F>(definition: &'static Definition, body: F) -> AsyncGenerator<Y, S, F>
where
    F: FnOnce(&Yielder<Y, S>) -> Result<()>,
{
    AsyncGenerator::named(definition, body)
}

/// Awaits. As a function and not a path to the trait's method, it gives one error for what cannot be awaited.
///
/// # Errors
/// As [`Awaitable::co_await`].
#[track_caller]
pub fn co_await<T>(awaitable: impl Awaitable<Output = T>) -> Result<T> {
    awaitable.co_await()
}

/// Calls a body that is ordinary Rust, with an error type of its own; the bound makes it `FnOnce`.
pub fn call<R>(body: impl FnOnce() -> R) -> R {
    body()
}

/// The error of such a body. Its inherent methods take the boxed errors, which no `From` can convert.
pub struct Failed<E>(pub E);

impl Failed<Box<dyn std::error::Error + Send + Sync>> {
    #[track_caller]
    pub fn into_error(self) -> Error {
        Error::from_boxed(self.0)
    }
}

impl Failed<Box<dyn std::error::Error>> {
    #[track_caller]
    pub fn into_error(self) -> Error {
        Error::from_local_box(self.0)
    }
}

/// What can be raised: all that converts into an [`Error`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be raised",
    label = "this is no error",
    note = "an error is a type that implements `std::error::Error + Send + Sync + 'static`; to raise a text, write `raise!(\"no eggs\")`"
)]
pub trait Raise {
    #[track_caller]
    fn raised(self) -> Error;
}

#[diagnostic::do_not_recommend]
impl<E> Raise for E
where
    Error: From<E>,
{
    #[track_caller]
    fn raised(self) -> Error {
        Error::from(self)
    }
}

/// The errors of all other types. The bound is on the method, so that rustc speaks of the error and not of `Failed`.
pub trait IntoError {
    type Source;
    #[track_caller]
    fn into_error(self) -> Error
    where
        Self::Source: Raise;
}

impl<E> IntoError for Failed<E> {
    type Source = E;

    #[track_caller]
    fn into_error(self) -> Error
    where
        E: Raise,
    {
        self.0.raised()
    }
}

/// A hidden local of a frame. Generators and context managers in it may borrow, since nobody can forget it.
pub struct InFrame<T>(T);

/// Puts `value` where it stays.
///
/// # Safety
/// The result must be a local variable that no other code can name, so that it is dropped when its scope ends.
pub unsafe fn in_frame<T>(value: T) -> InFrame<T> {
    InFrame(value)
}

impl<Y, R, F> InFrame<Generator<Y, (), R, F>>
where
    F: FnOnce(&Yielder<Y>) -> Result<R>,
{
    pub fn next_item(&mut self) -> Result<Option<Y>> {
        self.0.pin();
        self.0.next_borrowed().transpose()
    }
}

impl<Y, F> InFrame<AsyncGenerator<Y, (), F>>
where
    F: FnOnce(&Yielder<Y>) -> Result<()>,
{
    pub fn next_item(&mut self) -> Result<Option<Y>> {
        self.0.pin();
        self.0.next_borrowed()
    }
}

/// The items of everything else that `async for` goes over. The bound is on the method, so that rustc speaks of the
/// user's type and not of `InFrame`.
pub trait AsyncSource {
    type Source;
    fn next_item(&mut self) -> Result<Option<<Self::Source as AsyncIterator>::Item>>
    where
        Self::Source: AsyncIterator;
}

impl<I> AsyncSource for InFrame<I> {
    type Source = I;

    fn next_item(&mut self) -> Result<Option<I::Item>>
    where
        I: AsyncIterator,
    {
        self.0.anext()
    }
}

/// How the body of an `async with` was left.
pub enum Flow<R> {
    Return(R),
    Way(u32),
    Through,
}

/// What came of the body of an `async with`.
pub struct BodyResult<R>(std::result::Result<Result<Flow<R>>, Box<dyn Any + Send>>);

pub fn run_body<R>(body: impl FnOnce() -> Result<Flow<R>>) -> BodyResult<R> {
    BodyResult(catch_unwind(AssertUnwindSafe(body)))
}

/// How the manager in a frame is left.
pub type Exit<M> = fn(&mut InFrame<M>, Option<&Error>) -> Result<bool>;

/// What entering gives: the value for the block, and the way to leave.
pub type Entered<M> = (<M as AsyncContextManager>::Value, Exit<M>);

/// Leaves what was entered; `exit` came from its `enter`.
///
/// # Errors
/// What the body raised, unless it is swallowed; what goes wrong while leaving.
pub fn exit<M, R>(manager: &mut InFrame<M>, exit: Exit<M>, result: BodyResult<R>) -> Result<Flow<R>> {
    match result.0 {
        Ok(Ok(flow)) => exit(manager, None).map(|_| flow),
        Ok(Err(error)) => match exit(manager, Some(&error))? {
            true => Ok(Flow::Through),
            false => Err(error),
        },
        Err(payload) => {
            unwind::pass_on(&*payload);
            let error = Error::new(Panicked::new(payload));
            let swallowed = exit(manager, Some(&error));
            // A panic is no exception: the manager has cleaned up, and cannot swallow it.
            let payload = error.downcast_ref::<Panicked>().and_then(Panicked::take_payload);
            drop(swallowed);
            resume_unwind(payload.unwrap_or_else(|| Box::new("a panic whose payload was taken")))
        }
    }
}

impl<Y, F> InFrame<ContextManager<Y, F>>
where
    F: FnOnce(&Yielder<Y>) -> Result<()>,
{
    pub fn enter(&mut self) -> Result<(Y, Exit<ContextManager<Y, F>>)> {
        self.0.pin();
        Ok((self.0.enter_borrowed()?, |manager, error| manager.0.exit_borrowed(error)))
    }
}

/// Entering everything else that `async with` takes; the bound is as at [`AsyncSource`]. The way to leave it
/// is a value, so that nothing but `enter` asks for the bound: rustc then speaks once.
pub trait ManagedSource {
    type Source;
    fn enter(&mut self) -> Result<Entered<Self::Source>>
    where
        Self::Source: AsyncContextManager;
}

impl<M> ManagedSource for InFrame<M> {
    type Source = M;

    fn enter(&mut self) -> Result<Entered<M>>
    where
        M: AsyncContextManager,
    {
        Ok((self.0.aenter()?, |manager, error| manager.0.aexit(error)))
    }
}

/// The arguments of `#[coro_core::main]`.
pub struct MainOptions {
    pub debug: bool,
    pub stack_size: Option<usize>,
}

/// Runs a program: its error goes to standard error as from `main`, Ctrl-C ends it with exit status 130, and
/// [`SystemExit`] with the status it holds, of which the system keeps the last eight bits.
pub fn main<A: Awaitable>(options: MainOptions, awaitable: A) -> ExitCode
where
    A::Output: Termination,
{
    let mut builder = RunBuilder::new().debug(options.debug);
    if let Some(bytes) = options.stack_size {
        builder = builder.stack_size(bytes);
    }
    match builder.run(awaitable) {
        Ok(value) => value.report(),
        Err(error) if error.is::<KeyboardInterrupt>() => ExitCode::from(130),
        Err(error) => match error.downcast_ref() {
            Some(SystemExit(status)) => ExitCode::from(status.to_le_bytes()[0]),
            None => {
                report::tell(format_args!("Error: {error:?}"));
                ExitCode::FAILURE
            }
        },
    }
}

/// The arguments of `#[coro_core::test]`.
pub struct TestOptions {
    pub real_clock: bool,
    pub debug: bool,
    pub seed: Option<u64>,
    /// The test is about the order in which tasks run: no seed but its own.
    pub ordered: bool,
    pub stack_size: Option<usize>,
}

/// The seed of the tests that name none. Nothing else reads it.
const SEED: &str = "CORO_TEST_SEED";

fn seed_from_outside() -> Result<Option<u64>> {
    let Some(said) = std::env::var_os(SEED) else { return Ok(None) };
    let seed = said.to_str().and_then(|said| said.parse().ok());
    seed.map(Some).ok_or_else(|| ValueError::new(format!("{SEED} is no seed: {}", said.display())).into())
}

/// Runs a test, under the virtual clock unless it asks for the real one.
///
/// # Errors
/// What the test raises; [`ValueError`] if `CORO_TEST_SEED` is no number.
pub fn test<A: Awaitable>(options: TestOptions, awaitable: A) -> Result<()> {
    let mut builder = RunBuilder::new().debug(options.debug).handle_interrupts(false);
    if !options.real_clock {
        builder = builder.virtual_clock();
    }
    let outside = if options.seed.is_none() && !options.ordered { seed_from_outside()? } else { None };
    if let Some(seed) = options.seed.or(outside) {
        builder = builder.seed(seed);
    }
    if let Some(bytes) = options.stack_size {
        builder = builder.stack_size(bytes);
    }
    builder.run(awaitable).map(drop)
}
