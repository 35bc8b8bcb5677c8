//! Futures: one-shot result slots that many can wait for, with callbacks.
//!
//! Floor 4. [`FutureState`] is the slot; tasks embed one too, so that a task is a future of its result.
//!
//! 1. A future settles once: with a value, an exception or a cancellation. Later attempts are `InvalidState`.
//! 2. Settling schedules waiters and callbacks through the ready queue, in the order in which they were added.
//! 3. A value can be cloned by many, or taken by one; who comes after the one gets `InvalidState`.
//! 4. An exception that nobody looked at is reported when the future is dropped.

mod callback;
mod once;
mod plain;
mod state;

use std::fmt::{self, Debug};
use std::rc::Rc;

pub use callback::CallbackId;
pub(crate) use callback::callback_name;
pub use once::OnceFuture;
use state::Slot;
pub(crate) use state::{FutureState, by_state, cancelled_error};

use crate::coroutine::{Awaitable, Ensured, Existing, suspend};
use crate::error::{Error, InvalidState, Result, RuntimeError, StopIteration};
use crate::events::{AnyFuture, EventLoop, LoopCore, Waitable, running_core};
use crate::fiber::Awaited;

/// What plain futures and tasks have in common, with the type of the result.
pub(crate) trait FutureObject<T>: Waitable {
    fn state(&self) -> &FutureState<T>;

    /// Up to the status: `Future pending`, `Task cancelling name='Task-1' …`.
    fn fmt_head(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;

    fn is_task(&self) -> bool {
        false
    }
}

/// A one-shot result that many can await; `asyncio.Future`. A clone is another handle on the same future.
///
/// Awaiting it clones the result; [`once`](Self::once) gives an awaitable that takes it.
///
/// # Cancellation
/// Cancelling the task that awaits it cancels the future as well, as in asyncio; a [`shield`](crate::shield)
/// prevents that. Others who await it find it cancelled.
///
/// ```
/// use coro_core::{Future, prelude::*};
///
/// coro_core::run(coroutine(|| {
///     let future = Future::new();
///     get_running_loop()?.call_later(secs(1), { let future = future.clone(); move || { future.set_result("done").ok(); } });
///     assert_eq!((&future).co_await()?, "done");
///     assert_eq!(format!("{future:?}"), r#"<Future finished result="done">"#);
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
///
/// A future stays on its thread:
/// ```compile_fail
/// let future = coro_core::Future::<u32>::new();
/// std::thread::spawn(move || future.set_result(1));
/// ```
pub struct Future<T> {
    pub(crate) inner: Rc<dyn FutureObject<T>>,
}

impl<T> Clone for Future<T> {
    fn clone(&self) -> Self {
        Self { inner: Rc::clone(&self.inner) }
    }
}

impl<T: 'static> Future<T> {
    /// A pending future of the running loop; `loop.create_future()`. Without one, it has failed with "no
    /// running event loop".
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let future = coro_core::Future::<u32>::new();
    /// get_running_loop()?.call_soon({ let future = future.clone(); move || future.set_result(6).unwrap() });
    /// assert_eq!(future.co_await()?, 6);
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    #[expect(clippy::new_without_default, reason = "a future belongs to the running loop")]
    pub fn new() -> Self {
        match running_core() {
            Ok(core) => Self::on(core),
            Err(error) => Self::failed(error),
        }
    }

    fn state(&self) -> &FutureState<T> {
        self.inner.state()
    }

    /// This future without the type of its result.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let (number, text) = (coro_core::Future::<u32>::new(), coro_core::Future::<String>::new());
    /// let both = [number.any(), text.any()]; // of one type
    /// assert!(both.iter().all(|future| !future.done()));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn any(&self) -> AnyFuture {
        AnyFuture(Rc::clone(&self.inner) as Rc<dyn Waitable>)
    }

    /// Whether it has a result, an exception, or was cancelled.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let future = coro_core::Future::<u32>::new();
    /// assert!(!future.done());
    /// future.set_result(6)?;
    /// assert!(future.done());
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn done(&self) -> bool {
        self.state().is_done()
    }

    /// Whether it was cancelled.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let future = coro_core::Future::<u32>::new();
    /// future.cancel();
    /// assert!(future.cancelled());
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn cancelled(&self) -> bool {
        self.state().is_cancelled()
    }

    /// Whether both handles are on the same future; Python's `is`.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let future = coro_core::Future::<u32>::new();
    /// assert!(future.same(&future.clone()) && !future.same(&coro_core::Future::new()));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn same(&self, other: &Future<T>) -> bool {
        Rc::ptr_eq(&self.inner, &other.inner)
    }

    /// The loop it belongs to; `None` if it was made without one.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let future = coro_core::Future::<u32>::new();
    /// assert!(future.get_loop().unwrap().same(&get_running_loop()?));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn get_loop(&self) -> Option<EventLoop> {
        self.state().core().map(LoopCore::handle)
    }

    /// Gives it its result. Those who wait go on in the next round.
    ///
    /// # Errors
    /// [`InvalidState`] "invalid state" if it is done; [`RuntimeError`] if it is a task, whose result comes from
    /// its coroutine.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let future = coro_core::Future::new();
    /// future.set_result(6)?;
    /// assert_eq!((&future).co_await()?, 6);
    /// assert!(future.set_result(7).unwrap_err().is::<coro_core::InvalidState>());
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn set_result(&self, value: T) -> Result<()> {
        self.check_no_task("set_result")?;
        self.settle_value(value)
    }

    /// Makes it fail with `error`. A [`StopIteration`] would end a generator that awaits it: it becomes the cause of a
    /// [`RuntimeError`](crate::RuntimeError).
    ///
    /// # Errors
    /// As [`set_result`](Self::set_result).
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let future = coro_core::Future::<u32>::new();
    /// future.set_exception(coro_core::ValueError::new("-1 eggs"))?;
    /// assert!(future.co_await().unwrap_err().is::<coro_core::ValueError>());
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn set_exception(&self, error: impl Into<Error>) -> Result<()> {
        self.check_no_task("set_exception")?;
        let error = error.into();
        self.settle_failed(match error.is::<StopIteration>() {
            true => {
                let message =
                    "StopIteration interacts badly with generators and cannot be raised into a Future";
                Error::caused_by(RuntimeError::new(message), error)
            }
            false => error,
        })
    }

    fn check_no_task(&self, operation: &str) -> Result<()> {
        match self.inner.is_task() {
            true => Err(RuntimeError::new(format!("Task does not support {operation} operation")).into()),
            false => Ok(()),
        }
    }

    /// The exception it ended with, or `None` if it has a result.
    ///
    /// # Errors
    /// [`InvalidState`] "Exception is not set." while it is pending; [`Cancelled`](crate::Cancelled) if it was cancelled.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let future = coro_core::Future::<u32>::new();
    /// assert!(future.exception().is_err()); // nobody knows yet
    /// future.set_exception(Error::msg("burnt"))?;
    /// assert_eq!(future.exception()?.unwrap().to_string(), "burnt");
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn exception(&self) -> Result<Option<Error>> {
        match self.state().retrieve() {
            _ if !self.done() => Err(InvalidState::new("Exception is not set.").into()),
            Some(error) if self.cancelled() => Err(error),
            outcome => Ok(outcome),
        }
    }

    /// The result, cloned, without waiting for it.
    ///
    /// # Errors
    /// The exception; [`Cancelled`](crate::Cancelled); [`InvalidState`] while it is pending, or if the result was taken.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let task = create_task(coroutine(|| { sleep(secs(1)).co_await()?; Ok(6) }));
    /// assert_eq!(task.result().unwrap_err().to_string(), "Result is not set.");
    /// sleep(secs(2)).co_await()?;
    /// assert_eq!(task.result()?, 6);
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn result(&self) -> Result<T>
    where
        T: Clone,
    {
        if let Some(error) = self.state().retrieve() {
            return Err(error);
        }
        match &*self.state().slot.borrow() {
            Slot::Value(value) => Ok(value.clone()),
            Slot::Taken => Err(InvalidState::new("the result was taken").into()),
            _ => Err(InvalidState::new("Result is not set.").into()),
        }
    }

    /// The result itself, without waiting for it: later calls find that it was taken.
    ///
    /// # Errors
    /// As [`result`](Self::result).
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let future = coro_core::Future::new();
    /// future.set_result(vec![1, 2])?;
    /// assert_eq!(future.take_result()?, [1, 2]);
    /// assert_eq!(future.take_result().unwrap_err().to_string(), "the result was taken");
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn take_result(&self) -> Result<T> {
        let state = self.state();
        if let Some(error) = state.retrieve() {
            return Err(error);
        }
        if !state.is_done() {
            return Err(InvalidState::new("Result is not set.").into());
        }
        let Ok(mut slot) = state.slot.try_borrow_mut() else {
            return Err(InvalidState::new("the result is being cloned").into());
        };
        match std::mem::replace(&mut *slot, Slot::Taken) {
            Slot::Value(value) => Ok(value),
            _ => Err(InvalidState::new("the result was taken").into()),
        }
    }

    /// Waits until it is done, whatever comes of it.
    ///
    /// # Errors
    /// What is raised at this await: the exception of the future, or the cancellation of the one who waits.
    #[inline(always)] // see `suspend`
    pub(crate) fn wait_done(&self) -> Result<()> {
        if self.done() {
            return Ok(());
        }
        suspend(Awaited::Future(self.any()))?;
        match self.done() {
            true => Ok(()),
            false => {
                Err(RuntimeError::new("the await of a future was resumed before the future was done").into())
            }
        }
    }

    /// An awaitable that takes the result, for results that cannot be cloned.
    ///
    /// # Errors
    /// When awaited: the exception; [`Cancelled`](crate::Cancelled); [`InvalidState`] if the result was taken by somebody else.
    ///
    /// # Cancellation
    /// As [`Future`]: it is cancelled as well.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// struct Egg; // is no `Clone`
    /// let future = coro_core::Future::new();
    /// future.set_result(Egg)?;
    /// let _egg: Egg = future.once().co_await()?;
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn once(&self) -> OnceFuture<T> {
        OnceFuture(self.clone())
    }

    /// Asks it to end: a future is cancelled at once, a task at its next step. False if it was done.
    ///
    /// ```
    /// use coro_core::{Future, prelude::*};
    /// coro_core::run(coroutine(|| {
    ///     let future = Future::<u32>::new();
    ///     assert!(future.cancel() && future.cancelled() && !future.cancel());
    ///     Ok(())
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn cancel(&self) -> bool {
        Rc::clone(&self.inner).cancel(None)
    }

    /// As [`cancel`](Self::cancel), with a message for the [`Cancelled`](crate::Cancelled); `future.cancel(msg)`.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let future = coro_core::Future::<u32>::new();
    /// future.cancel_with("too late");
    /// assert_eq!(future.co_await().unwrap_err().to_string(), "too late");
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn cancel_with(&self, message: impl Into<String>) -> bool {
        Rc::clone(&self.inner).cancel(Some(message.into()))
    }
}

impl<T: Debug + 'static> Debug for Future<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<")?;
        self.inner.fmt_head(f)?;
        if let Slot::Value(value) = &*self.state().slot.borrow() {
            write!(f, " result={value:?}")?;
        }
        self.state().fmt_tail(f)?;
        f.write_str(">")
    }
}

impl<T: Clone + 'static> Awaitable for Future<T> {
    type Output = T;

    #[inline(always)] // see `suspend`
    fn co_await(self) -> Result<T> {
        (&self).co_await()
    }

    fn __ensure(self) -> Ensured<Self> {
        let future = self.any().0;
        Ensured::Existing(Existing { future, result: Box::new(move || self.result()) })
    }
}

impl<T: Clone + 'static> Awaitable for &Future<T> {
    type Output = T;

    #[inline(always)] // see `suspend`
    fn co_await(self) -> Result<T> {
        self.wait_done()?;
        self.result()
    }

    fn __ensure(self) -> Ensured<Self> {
        let future = self.clone();
        Ensured::Existing(Existing { future: self.any().0, result: Box::new(move || future.result()) })
    }
}
