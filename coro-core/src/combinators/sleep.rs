//! `sleep`, and durations in short.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::task::{Context as PollContext, Poll, Waker};
use std::time::Duration;

use crate::compat::into_future;
use crate::coroutine::{Awaitable, Origins, Polled, Polls, park, suspend};
use crate::definition::Origin;
use crate::error::Result;
use crate::events::{LoopCore, Runnable, Waitable, Wakeup, running_core};
use crate::fiber::Awaited;

/// So many seconds.
///
/// ```
/// assert_eq!(coro_core::secs(2), std::time::Duration::from_secs(2));
/// ```
pub const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// So many milliseconds.
///
/// ```
/// assert_eq!(coro_core::millis(2), std::time::Duration::from_millis(2));
/// ```
pub const fn millis(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// What [`sleep`] returns.
///
/// ```
/// # use coro_core::prelude::*;
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// let nap: coro_core::Sleep = sleep(secs(1)); // has not begun
/// nap.co_await()?;
/// nap.co_await()?; // it is `Copy`: each await sleeps anew
/// assert_eq!(get_running_loop()?.time(), secs(2));
/// # Ok(())
/// # })).unwrap();
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "a sleep does nothing until it is awaited"]
pub struct Sleep {
    duration: Duration,
}

/// Suspends the task for `duration`; `asyncio.sleep()`. Zero lets every ready task run once.
///
/// # Errors
/// When awaited: `RuntimeError` "no running event loop".
///
/// # Cancellation
/// Nothing is kept: the timer is cancelled.
///
/// ```
/// use coro_core::prelude::*;
/// coro_core::run(coroutine(|| {
///     let clock = get_running_loop()?;
///     let before = clock.time();
///     sleep(millis(20)).co_await()?;
///     assert!(clock.time() - before >= millis(20));
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
pub fn sleep(duration: Duration) -> Sleep {
    Sleep { duration }
}

impl Awaitable for Sleep {
    type Output = ();

    #[inline(always)] // see `suspend`
    fn co_await(self) -> Result<()> {
        if self.duration.is_zero() {
            return suspend(Awaited::Yield).map(drop);
        }
        let core = running_core()?;
        let wakeup = Wakeup::new(&core);
        core.push_sleep(self.duration, Rc::clone(&wakeup) as Rc<dyn Runnable>);
        let result = park(&wakeup);
        if !wakeup.is_done() || Waitable::is_cancelled(&*wakeup) {
            // It will not fire any more: the queue counts how much of it is dead.
            Rc::clone(&wakeup).cancel(None);
            core.note_timer_cancelled();
        }
        wakeup.give_back();
        result
    }

    fn __poll(self) -> Result<Polls<Self>> {
        self.result(()).begin()
    }

    fn __origin(&self) -> Origins {
        Origins(Origin::named(|| "sleep"))
    }
}

impl Sleep {
    /// The same, giving `result` at its end; `asyncio.sleep(delay, result)`.
    ///
    /// # Errors
    /// When awaited: as [`sleep`].
    ///
    /// # Cancellation
    /// As [`sleep`]; the result is dropped.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// let egg = coro_core::RunBuilder::new().virtual_clock().run(sleep(secs(3)).result("egg"))?;
    /// assert_eq!(egg, "egg");
    /// # Ok::<(), Error>(())
    /// ```
    pub fn result<T>(self, result: T) -> SleepThen<T> {
        SleepThen { sleep: self, result }
    }
}

/// What [`Sleep::result`] returns.
///
/// ```
/// # use coro_core::prelude::*;
/// let then: coro_core::SleepThen<u32> = sleep(secs(0)).result(6);
/// assert_eq!(coro_core::run(then)?, 6);
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "a sleep does nothing until it is awaited"]
pub struct SleepThen<T> {
    sleep: Sleep,
    result: T,
}

impl<T> Awaitable for SleepThen<T> {
    type Output = T;

    fn co_await(self) -> Result<T> {
        self.sleep.co_await()?;
        Ok(self.result)
    }

    fn __poll(self) -> Result<Polls<Self>>
    where
        Self: 'static,
    {
        self.begin()
    }
}

impl<T> SleepThen<T> {
    /// Sleeps without a stack.
    fn begin<A>(self) -> Result<Polls<A>>
    where
        A: Awaitable<Output = T>,
        T: 'static,
    {
        let core = running_core()?;
        if self.sleep.duration.is_zero() {
            return Ok(Polls::Next(self.result));
        }
        let state = Cell::new(AlarmState::Set(Waker::noop().clone(), self.result));
        let alarm = Rc::new(Alarm { core: Rc::clone(&core), state });
        core.push_sleep(self.sleep.duration, Rc::clone(&alarm) as Rc<dyn Runnable>);
        Ok(Polls::Waits(alarm))
    }
}

/// The timer of a sleep in an `async` block: wakes the one who polls.
struct Alarm<T> {
    core: Rc<LoopCore>,
    state: Cell<AlarmState<T>>,
}

enum AlarmState<T> {
    /// Whom to wake, and what the sleep gives then.
    Set(Waker, T),
    /// It rang, and holds what the sleep gives; or it was cancelled.
    Over(Option<T>),
}

impl<T> Alarm<T> {
    fn take(&self) -> AlarmState<T> {
        self.state.replace(AlarmState::Over(None))
    }
}

impl<T: 'static> Polled<T> for Alarm<T> {
    fn poll(&self, context: &mut PollContext<'_>) -> Poll<Result<T>> {
        match self.take() {
            AlarmState::Set(waker, result) if waker.will_wake(context.waker()) => {
                self.state.set(AlarmState::Set(waker, result));
                Poll::Pending
            }
            AlarmState::Set(other, result) => {
                self.state.set(AlarmState::Set(context.waker().clone(), result));
                drop(other);
                Poll::Pending
            }
            AlarmState::Over(Some(result)) => Poll::Ready(Ok(result)),
            AlarmState::Over(None) => unreachable!("who took the result, or cancelled it, polls no more"),
        }
    }

    fn cancel(self: Rc<Self>) {
        let state = self.take();
        if matches!(state, AlarmState::Set(..)) {
            self.core.note_timer_cancelled();
        }
        drop(state);
    }
}

impl<T> Runnable for Alarm<T> {
    fn run(self: Rc<Self>, _: &Rc<LoopCore>) {
        if let AlarmState::Set(waker, result) = self.take() {
            self.state.set(AlarmState::Over(Some(result)));
            waker.wake();
        }
    }

    fn is_cancelled(&self) -> bool {
        let state = self.take();
        let over = matches!(state, AlarmState::Over(_));
        self.state.set(state);
        over
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<timer of a sleep>")
    }
}

into_future! {
    [] Sleep => ();
    [T: 'static] SleepThen<T> => T;
}
