//! Time limits: `timeout`, `timeout_at`, `wait_for`, and the [`Timeout`] behind them.
//!
//! A limit that is reached cancels the task, and its exit turns that one cancellation into [`Elapsed`]. It knows
//! its own cancellation from others by the count of requests: see [`Timeout::exit`].

use std::cell::{Cell, RefCell};
use std::fmt::{self, Debug};
use std::rc::Rc;
use std::time::Duration;

use crate::async_context::AsyncContextManager;
use crate::compat::into_future;
use crate::coroutine::{Awaitable, Ensured, Origins};
use crate::definition::Origin;
use crate::error::{Cancelled, Elapsed, Error, Result, RuntimeError};
use crate::events::{AnyFuture, Handle, LoopCore, Runnable, TimerHandle, get_running_loop, running_core};
use crate::fiber::Open;
use crate::future::Future;
use crate::task::{AnyTask, EnsuredFuture, current_task};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Created,
    Entered,
    Expiring,
    Expired,
    Exited,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Entered => "active",
            Self::Expiring => "expiring",
            Self::Expired => "expired",
            Self::Exited => "finished",
        }
    }
}

/// A time limit on a block of code; `asyncio.Timeout`. A clone is another handle on the same limit.
///
/// [`timeout`] is the short form. This one is for `async with`, where the limit can be looked at and moved.
///
/// # Errors
/// The block raises [`Elapsed`] if the limit was reached; entering is a [`RuntimeError`] outside a task, and
/// for a limit that was entered before.
///
/// # Cancellation
/// The block is cancelled at its await when the limit is reached. Other cancellations pass as they are.
///
/// ```
/// use coro_core::prelude::*;
/// use coro_core::Timeout;
///
/// async_fn! {
///     async fn patient() -> bool {
///         let limit = Timeout::new(millis(5));
///         async with limit.clone() {
///             let now = get_running_loop()?.time();
///             limit.reschedule(Some(now + secs(5)))?;
///             await!(sleep(millis(20)));
///         }
///         limit.expired()
///     }
/// }
/// assert!(!coro_core::run(patient())?);
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone)]
pub struct Timeout {
    inner: Rc<Inner>,
}

struct Inner {
    state: Cell<State>,
    when: Cell<Option<Duration>>,
    delay: Option<Duration>,
    alarm: RefCell<Option<Alarm>>,
    task: RefCell<Option<AnyTask>>,
    cancelling: Cell<usize>,
    open: RefCell<Option<Open>>,
}

enum Alarm {
    Soon(Handle),
    Later(TimerHandle),
}

impl Alarm {
    fn cancel(&self) {
        match self {
            Self::Soon(handle) => handle.cancel(),
            Self::Later(handle) => handle.cancel(),
        }
    }
}

impl Timeout {
    /// A limit of `delay` from the moment at which it is entered.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let mut limit = Timeout::new(secs(5));
    /// sleep(secs(2)).co_await()?;
    /// limit.aenter()?; // what `async with` calls
    /// assert_eq!(limit.when(), Some(secs(7)));
    /// limit.aexit(None)?;
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn new(delay: Duration) -> Self {
        Self::with(Some(delay), None)
    }

    /// A limit at `when` by the loop's clock; `asyncio.timeout_at(when)`. `None` sets no limit until
    /// [`reschedule`](Self::reschedule).
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let mut limit = Timeout::at(Some(secs(5)));
    /// limit.aenter()?;
    /// assert!(sleep(secs(60)).co_await().unwrap_err().is_cancelled());
    /// assert_eq!(get_running_loop()?.time(), secs(5));
    /// # let _ = limit.aexit(Some(&Error::new(coro_core::Cancelled::new())));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn at(when: Option<Duration>) -> Self {
        Self::with(None, when)
    }

    fn with(delay: Option<Duration>, when: Option<Duration>) -> Self {
        let inner = Inner {
            state: Cell::new(State::Created),
            when: Cell::new(when),
            delay,
            alarm: RefCell::default(),
            task: RefCell::default(),
            cancelling: Cell::new(0),
            open: RefCell::default(),
        };
        Self { inner: Rc::new(inner) }
    }

    /// When the limit is reached, by the loop's clock. `None` without a limit, and before a delay has begun.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let mut limit = Timeout::new(secs(5));
    /// assert_eq!(limit.when(), None);
    /// limit.aenter()?;
    /// assert_eq!(limit.when(), Some(secs(5)));
    /// # limit.aexit(None)?;
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn when(&self) -> Option<Duration> {
        self.inner.when.get()
    }

    /// Whether the limit was reached.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// async_fn! {
    ///     async fn impatient(limit: Timeout) {
    ///         async with limit { await!(sleep(secs(60))); }
    ///     }
    /// }
    /// let limit = Timeout::new(millis(1));
    /// assert!(coro_core::run(impatient(limit.clone())).unwrap_err().is_timeout());
    /// assert!(limit.expired());
    /// ```
    pub fn expired(&self) -> bool {
        matches!(self.inner.state.get(), State::Expiring | State::Expired)
    }

    /// Moves the limit to `when` by the loop's clock; `None` takes it away.
    ///
    /// # Errors
    /// [`RuntimeError`] before it was entered, after it was left, and once it was reached.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let mut limit = Timeout::new(secs(1));
    /// assert!(limit.reschedule(None).is_err()); // has not been entered
    /// limit.aenter()?;
    /// limit.reschedule(Some(secs(100)))?;
    /// sleep(secs(60)).co_await()?;
    /// limit.aexit(None)?;
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn reschedule(&self, when: Option<Duration>) -> Result<()> {
        match self.inner.state.get() {
            State::Entered => {}
            State::Created => return Err(RuntimeError::new("Timeout has not been entered").into()),
            state => {
                let message = format!("Cannot change state of {} Timeout", state.name());
                return Err(RuntimeError::new(message).into());
            }
        }
        self.inner.when.set(when);
        let old = self.inner.alarm.take();
        if let Some(old) = old {
            old.cancel();
        }
        let Some(when) = when else { return Ok(()) };
        let event_loop = get_running_loop()?;
        let strike = {
            let inner = Rc::clone(&self.inner);
            move || inner.strike()
        };
        let alarm = match when <= event_loop.time() {
            true => Alarm::Soon(event_loop.call_soon(strike)),
            false => Alarm::Later(event_loop.call_at(when, strike)),
        };
        *self.inner.alarm.borrow_mut() = Some(alarm);
        Ok(())
    }

    pub(crate) fn enter(&self) -> Result<()> {
        if self.inner.state.get() != State::Created {
            return Err(RuntimeError::new("Timeout has already been entered").into());
        }
        let Some(task) = current_task() else {
            return Err(RuntimeError::new("Timeout should be used inside a task").into());
        };
        self.inner.state.set(State::Entered);
        self.inner.cancelling.set(task.cancelling());
        *self.inner.task.borrow_mut() = Some(task);
        *self.inner.open.borrow_mut() = Some(Open::new());
        let when = match self.inner.delay {
            Some(delay) => Some(get_running_loop()?.time().saturating_add(delay)),
            None => self.inner.when.get(),
        };
        self.reschedule(when)
    }

    /// Leaves the block. Gives what to raise in place of `error`, if this limit is why it was cancelled.
    pub(crate) fn exit(&self, error: Option<&Error>) -> Option<Error> {
        let (alarm, open) = (self.inner.alarm.take(), self.inner.open.take());
        if let Some(alarm) = alarm {
            alarm.cancel();
        }
        drop(open);
        if self.inner.state.get() != State::Expiring {
            self.inner.state.set(State::Exited);
            return None;
        }
        self.inner.state.set(State::Expired);
        let task = self.inner.task.borrow().clone()?;
        // More requests than when it was entered mean that somebody else wants the task to end as well.
        let ours = task.uncancel() <= self.inner.cancelling.get();
        match error {
            Some(error) if ours && error.is_cancelled() => Some(Error::caused_by(Elapsed, error.clone())),
            _ => None,
        }
    }
}

impl Inner {
    fn strike(&self) {
        let task = self.task.borrow().clone();
        self.state.set(State::Expiring);
        drop(self.alarm.take());
        if let Some(task) = task {
            task.cancel();
        }
    }
}

impl AsyncContextManager for Timeout {
    type Value = Timeout;

    fn aenter(&mut self) -> Result<Timeout> {
        self.enter()?;
        Ok(self.clone())
    }

    fn aexit(&mut self, error: Option<&Error>) -> Result<bool> {
        self.exit(error).map_or(Ok(false), Err)
    }
}

impl Debug for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.inner.state.get();
        write!(f, "<Timeout [{}]", state.name())?;
        match (state, self.when()) {
            (State::Entered, Some(when)) => {
                write!(f, " when={:?}", (when.as_secs_f64() * 1_000.0).round() / 1_000.0)?;
            }
            (State::Entered, None) => f.write_str(" when=None")?,
            _ => {}
        }
        f.write_str(">")
    }
}

/// Runs `f` on this very stack, for at most `limit`; `async with asyncio.timeout(limit)`.
///
/// # Errors
/// What `f` raises; [`Elapsed`] if the limit was reached; [`RuntimeError`] outside a task.
///
/// # Cancellation
/// `f` is cancelled at its await when the limit is reached, and can clean up as it does for any cancellation.
///
/// # Panics
/// With the panic of `f`; the limit holds no longer then.
///
/// ```
/// use coro_core::prelude::*;
/// coro_core::run(coroutine(|| {
///     let mut steps = 0; // borrowed by the block
///     let limited = coro_core::timeout(millis(20), || {
///         loop {
///             sleep(millis(5)).co_await()?;
///             steps += 1;
///         }
///         #[expect(unreachable_code)]
///         Ok(())
///     });
///     assert!(limited.unwrap_err().is_timeout() && steps > 0);
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
pub fn timeout<T>(limit: Duration, f: impl FnOnce() -> Result<T>) -> Result<T> {
    within(&Timeout::new(limit), f)
}

/// As [`timeout`], until `when` by the loop's clock; `async with asyncio.timeout_at(when)`.
///
/// # Errors
/// As [`timeout`].
///
/// # Cancellation
/// As [`timeout`].
///
/// # Panics
/// As [`timeout`].
///
/// ```
/// use coro_core::prelude::*;
/// coro_core::run(coroutine(|| {
///     let now = get_running_loop()?.time();
///     assert!(coro_core::timeout_at(now + millis(5), || sleep(secs(60)).co_await()).unwrap_err().is_timeout());
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
pub fn timeout_at<T>(when: Duration, f: impl FnOnce() -> Result<T>) -> Result<T> {
    within(&Timeout::at(Some(when)), f)
}

fn within<T>(limit: &Timeout, f: impl FnOnce() -> Result<T>) -> Result<T> {
    /// Leaves the limit when a panic passes.
    struct Leave<'a>(&'a Timeout);
    impl Drop for Leave<'_> {
        fn drop(&mut self) {
            self.0.exit(None);
        }
    }
    limit.enter()?;
    let leave = Leave(limit);
    let result = f();
    std::mem::forget(leave);
    match limit.exit(result.as_ref().err()) {
        Some(elapsed) => Err(elapsed),
        None => result,
    }
}

/// What [`wait_for`] returns.
///
/// ```
/// # use coro_core::prelude::*;
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// let limited: coro_core::WaitFor<_> = wait_for(coroutine(|| Ok(6)), secs(1)); // has not begun
/// assert_eq!(limited.co_await()?, 6);
/// # Ok(())
/// # })).unwrap();
/// ```
#[must_use = "wait_for does nothing until it is awaited"]
pub struct WaitFor<A> {
    awaitable: A,
    limit: Duration,
}

/// Awaits `awaitable` for at most `limit`; `asyncio.wait_for()`.
///
/// It runs in the task of its caller. A limit of zero gives the result only if it is there already.
///
/// # Errors
/// When awaited: what `awaitable` raises; [`Elapsed`] if the limit was reached: `awaitable` was cancelled then, and
/// has ended.
///
/// # Cancellation
/// `awaitable` is cancelled with it.
///
/// ```
/// use coro_core::prelude::*;
/// coro_core::run(coroutine(|| {
///     assert!(wait_for(sleep(secs(60)), millis(5)).co_await().unwrap_err().is_timeout());
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
pub fn wait_for<A: Awaitable>(awaitable: A, limit: Duration) -> WaitFor<A> {
    WaitFor { awaitable, limit }
}

impl<A: Awaitable> Awaitable for WaitFor<A> {
    type Output = A::Output;

    fn co_await(self) -> Result<A::Output> {
        if !self.limit.is_zero() {
            return timeout(self.limit, || self.awaitable.co_await());
        }
        match self.awaitable.__ensure() {
            Ensured::Existing(existing) => {
                let future = EnsuredFuture::existing(existing);
                if future.done() {
                    return future.into_result(); // a cancellation of its own stays one
                }
                cancel_and_wait(&future)?;
                no_cancellation(future.into_result())
            }
            Ensured::New(awaitable) => {
                awaitable.__discard();
                end_of_a_fresh_task()?;
                Err(Error::caused_by(Elapsed, Cancelled::new().into()))
            }
        }
    }

    fn __origin(&self) -> Origins {
        Origins(Origin::named(|| "wait_for"))
    }
}

/// The done callback of a future that was cancelled: releases the one who waits for its end.
struct Release(Future<()>);

impl Runnable for Release {
    fn run(self: Rc<Self>, _: &Rc<LoopCore>) {
        // If the waiter was cancelled, there is nobody to release.
        let _ = self.0.settle_value(());
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("wait_for()")
    }

    fn awaiter(self: Rc<Self>) -> Option<AnyFuture> {
        Some(self.0.any())
    }
}

/// Waits as for a task that was cancelled before it began: asyncio makes one of what is awaited with a limit of
/// zero. It ends in the next round, and releases the one who waits in the round after that.
fn end_of_a_fresh_task() -> Result<()> {
    struct FirstStep(Rc<LoopCore>, Rc<Release>);
    impl Runnable for FirstStep {
        fn run(self: Rc<Self>, _: &Rc<LoopCore>) {
            self.0.push(Rc::clone(&self.1) as Rc<dyn Runnable>);
        }

        fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("wait_for()")
        }
    }
    let core = running_core()?;
    let released = Future::on(Rc::clone(&core));
    let release = Rc::new(Release(released.clone()));
    core.push(Rc::new(FirstStep(Rc::clone(&core), release)));
    released.wait_done()
}

/// Cancels `future` and waits until it has ended, whatever it ends with.
fn cancel_and_wait(future: &AnyFuture) -> Result<()> {
    let released = Future::new();
    let release: Rc<dyn Runnable> = Rc::new(Release(released.clone()));
    future.0.add_waiter(Rc::clone(&release));
    future.cancel();
    let waited = released.wait_done();
    future.0.remove_waiter(&release);
    waited
}

/// A cancellation that the zero limit caused is a timeout.
fn no_cancellation<T>(result: Result<T>) -> Result<T> {
    result.map_err(|error| match error.is_cancelled() {
        true => Error::caused_by(Elapsed, error),
        false => error,
    })
}

into_future! {
    [A: Awaitable<Output = T> + 'static, T: 'static] WaitFor<A> => T;
}
