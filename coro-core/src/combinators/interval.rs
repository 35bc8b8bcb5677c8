//! `interval`: again and again, at a steady pace.

use std::time::Duration;

use super::sleep::sleep;
use crate::async_iter::AsyncIterator;
use crate::coroutine::Awaitable;
use crate::error::{Result, ValueError};
use crate::events::running_core;

/// What [`interval`] returns.
///
/// ```
/// # use coro_core::prelude::*;
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// let mut ticks: coro_core::Interval = coro_core::interval(secs(2)); // the first tick is at once
/// assert_eq!((ticks.anext()?, ticks.anext()?), (Some(secs(0)), Some(secs(2))));
/// # Ok(())
/// # })).unwrap();
/// ```
#[derive(Debug)]
#[must_use = "an interval does nothing until it is iterated"]
pub struct Interval {
    period: Duration,
    next: Option<Duration>,
}

/// An asynchronous iterator that gives the loop's time now, and then once every `period`.
///
/// The pace is that of the clock, whatever the work in between takes. Ticks that were missed are left out.
///
/// # Errors
/// [`ValueError`] for a period of zero, when the first tick is asked for.
///
/// # Cancellation
/// The tick that is waited for comes again with the next call.
///
/// ```
/// use coro_core::{interval, prelude::*};
/// async_fn! {
///     async fn ticks() -> Vec<Duration> {
///         let mut ticks = Vec::new();
///         async for tick in interval(secs(2)) {
///             await!(sleep(secs(1))); // is not added to the period
///             ticks.push(tick);
///             if ticks.len() == 3 { break; }
///         }
///         ticks
///     }
/// }
/// let ticks = coro_core::RunBuilder::new().virtual_clock().run(ticks())?;
/// assert_eq!(ticks, [secs(0), secs(2), secs(4)]);
/// # Ok::<(), Error>(())
/// ```
pub fn interval(period: Duration) -> Interval {
    Interval { period, next: None }
}

impl AsyncIterator for Interval {
    type Item = Duration;

    fn anext(&mut self) -> Result<Option<Duration>> {
        if self.period.is_zero() {
            return Err(ValueError::new("an interval needs a period above zero").into());
        }
        let core = running_core()?;
        let now = core.clock.now();
        let due = self.next.unwrap_or(now);
        if due > now {
            sleep(due - now).co_await()?;
        }
        let missed = now.saturating_sub(due).as_nanos() / self.period.as_nanos();
        let periods = u32::try_from(missed).unwrap_or(u32::MAX).saturating_add(1);
        self.next = Some(due.saturating_add(self.period.saturating_mul(periods)));
        Ok(Some(core.clock.now()))
    }
}
