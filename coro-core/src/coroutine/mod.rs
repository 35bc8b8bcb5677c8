//! Coroutines, everything that can be awaited, and the one function that suspends.
//!
//! Floor 3. Awaiting a coroutine that has not started is a plain call on the present stack. One that is driven by
//! hand runs on a stack of its own, and its awaits are handed to the one who drives it.

mod by_hand;
mod object;
mod shared;

use std::rc::Rc;
use std::task::{Context as PollContext, Poll};

pub use by_hand::Step;
pub use object::{BoxCoroutine, Coroutine, LocalBoxCoroutine, coroutine};
pub use shared::SharedCoroutine;

use crate::definition::Origin;
use crate::error::{Result, RuntimeError};
use crate::events::{AnyFuture, Waitable, Wakeup};
use crate::fiber::{self, Awaited, Sent};

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
    /// [`RuntimeError`](crate::RuntimeError) if it must suspend where nothing can.
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

    /// Begins to wait for it without a stack, for `.await` in an `async` block.
    #[doc(hidden)]
    fn __poll(self) -> Result<Polls<Self>>
    where
        Self: 'static,
    {
        Ok(Polls::No(self))
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

/// Hidden: what [`Awaitable::__poll`] finds.
#[doc(hidden)]
pub enum Polls<A: Awaitable> {
    /// It has to run on a stack.
    No(A),
    /// The result is due when all that are ready have run once.
    Next(A::Output),
    Waits(Rc<dyn Polled<A::Output>>),
}

/// Hidden: a wait that is polled.
#[doc(hidden)]
pub trait Polled<T> {
    /// What the wait gives, or nothing yet: `context` is woken then.
    fn poll(&self, context: &mut PollContext<'_>) -> Poll<Result<T>>;
    /// The one who waits is gone. It is not polled again.
    fn cancel(self: Rc<Self>);
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
/// What is thrown in. [`RuntimeError`](crate::RuntimeError) where nothing can suspend: in a callback, while
/// unwinding, outside a task.
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
// What is between here and the user's code is inlined: the processor predicts where a call returns to, and after a
// switch it is wrong about each that was open. The first such frame costs up to 30 ns.
#[inline(always)]
pub fn suspend(awaited: Awaited) -> Result<Sent> {
    fiber::suspend_to_driver(awaited)
}

/// Waits until `wakeup` is woken, and gives it back for the next wait.
///
/// # Errors
/// What the wait ended with; [`RuntimeError`](crate::RuntimeError) if a driver by hand went on before it had ended.
#[inline(always)] // see `suspend`
pub(crate) fn park(wakeup: &Rc<Wakeup>) -> Result<()> {
    if !wakeup.is_done() {
        suspend(Awaited::Future(AnyFuture(Rc::clone(wakeup) as Rc<dyn Waitable>)))?;
        if !wakeup.is_done() {
            let message = "the await of a future was resumed before the future was done";
            return Err(RuntimeError::new(message).into());
        }
    }
    wakeup.result()
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
