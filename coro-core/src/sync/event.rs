//! `Event`: a flag that tasks wait for.

use std::cell::Cell;
use std::fmt::{self, Debug};

use super::Waiters;
use crate::coroutine::Awaitable;
use crate::error::Result;

/// A flag that tasks wait for; `asyncio.Event`.
///
/// ```
/// use coro_core::prelude::*;
/// use std::rc::Rc;
/// coro_core::run(coroutine(|| {
///     let ready = Rc::new(Event::new());
///     let waiter = create_task({ let ready = ready.clone(); coroutine(move || ready.wait().co_await()) });
///     sleep(millis(1)).co_await()?;
///     assert!(!waiter.done());
///     ready.set();
///     waiter.co_await()
/// }))?;
/// # Ok::<(), Error>(())
/// ```
#[derive(Default)]
pub struct Event {
    set: Cell<bool>,
    waiters: Waiters,
}

impl Event {
    /// An event that is not set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether it is set.
    pub fn is_set(&self) -> bool {
        self.set.get()
    }

    /// Sets it, and wakes all who wait.
    pub fn set(&self) {
        if !self.set.replace(true) {
            self.waiters.wake_all();
        }
    }

    /// Resets it: who comes now waits for the next [`set`](Self::set).
    pub fn clear(&self) {
        self.set.set(false);
    }

    /// Waits until it is set.
    ///
    /// # Cancellation
    /// Nothing is kept.
    pub fn wait(&self) -> EventWait<'_> {
        EventWait { event: self }
    }
}

/// What [`Event::wait`] returns.
#[must_use = "it waits only when it is awaited"]
pub struct EventWait<'a> {
    event: &'a Event,
}

impl Awaitable for EventWait<'_> {
    type Output = ();

    fn co_await(self) -> Result<()> {
        match self.event.is_set() {
            true => Ok(()),
            false => self.event.waiters.wait().0,
        }
    }
}

impl Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.is_set() { "set" } else { "unset" };
        match self.waiters.len() {
            0 => write!(f, "<Event [{state}]>"),
            waiting => write!(f, "<Event [{state}, waiters:{waiting}]>"),
        }
    }
}
