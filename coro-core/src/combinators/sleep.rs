//! `sleep`, and durations in short.

use std::time::Duration;

use crate::compat::into_future;
use crate::coroutine::{Awaitable, Origins, suspend};
use crate::definition::Origin;
use crate::error::Result;
use crate::events::running_core;
use crate::fiber::Awaited;
use crate::future::timer_future;

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

    fn co_await(self) -> Result<()> {
        if self.duration.is_zero() {
            return suspend(Awaited::Yield).map(drop);
        }
        let core = running_core()?;
        let when = core.clock.now().saturating_add(self.duration);
        let timer = timer_future(&core, when);
        let result = timer.wait_done();
        if !timer.done() || timer.cancelled() {
            // It will not fire any more: the queue counts how much of it is dead.
            timer.cancel();
            core.note_timer_cancelled();
        }
        result
    }

    fn __origin(&self) -> Origins {
        Origins(Origin::Type("sleep"))
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
}

into_future! {
    [] Sleep => ();
    [T: 'static] SleepThen<T> => T;
}
