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
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// assert!(!Event::new().is_set());
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether it is set.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// let event = Event::new();
    /// event.set();
    /// assert!(event.is_set());
    /// ```
    pub fn is_set(&self) -> bool {
        self.set.get()
    }

    /// Sets it, and wakes all who wait: they go on even if it is cleared before their turn.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let ready = Event::new();
    /// TaskGroup::scope(|group| {
    ///     let waiters = [(); 2].map(|()| group.create_task(ready.wait()));
    ///     sleep(secs(1)).co_await()?;
    ///     ready.set();
    ///     ready.clear();
    ///     for waiter in waiters { waiter.co_await()?; } // both came through
    ///     Ok(())
    /// })?;
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn set(&self) {
        if !self.set.replace(true) {
            self.waiters.wake_all();
        }
    }

    /// Resets it: who comes now waits for the next [`set`](Self::set).
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let event = Event::new();
    /// event.set();
    /// event.clear();
    /// assert!(wait_for(event.wait(), secs(1)).co_await().unwrap_err().is_timeout());
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn clear(&self) {
        self.set.set(false);
    }

    /// Waits until it is set; if it is, without suspending.
    ///
    /// # Errors
    /// When awaited: [`RuntimeError`](crate::RuntimeError) if it must wait where nothing can suspend.
    ///
    /// # Cancellation
    /// Nothing is kept.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let event = std::rc::Rc::new(Event::new());
    /// get_running_loop()?.call_later(secs(3), { let event = event.clone(); move || event.set() });
    /// event.wait().co_await()?;
    /// assert_eq!(get_running_loop()?.time(), secs(3));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn wait(&self) -> EventWait<'_> {
        EventWait { event: self }
    }
}

/// What [`Event::wait`] returns.
///
/// ```
/// # use coro_core::prelude::*;
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// let event = Event::new();
/// let waiting: coro_core::EventWait<'_> = event.wait(); // has not begun
/// event.set();
/// waiting.co_await()?;
/// # Ok(())
/// # })).unwrap();
/// ```
#[must_use = "it waits only when it is awaited"]
pub struct EventWait<'a> {
    event: &'a Event,
}

impl Awaitable for EventWait<'_> {
    type Output = ();

    #[inline(always)] // see `suspend`
    fn co_await(self) -> Result<()> {
        match self.event.is_set() {
            true => Ok(()),
            false => self.event.waiters.wait(),
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
