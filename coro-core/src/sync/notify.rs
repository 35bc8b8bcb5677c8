//! `Notify`: telling one task, or all that wait, that something has happened.

use std::cell::Cell;
use std::fmt::{self, Debug};

use super::Waiters;
use crate::coroutine::Awaitable;
use crate::error::Result;

/// Tells tasks that something has happened, without saying what; tokio's `Notify`.
///
/// [`notify_one`](Self::notify_one) wakes the first who waits. If nobody does, one notification is kept, for the
/// next who comes: so a consumer that looks at its data first and waits then misses nothing.
///
/// ```
/// use coro_core::{Notify, prelude::*};
/// use std::cell::RefCell;
/// coro_core::run(coroutine(|| {
///     let (eggs, more) = (RefCell::new(Vec::new()), Notify::new());
///     TaskGroup::scope(|group| {
///         let eater = group.create_task(coroutine(|| loop {
///             if let Some(egg) = eggs.borrow_mut().pop() { return Ok(egg) }
///             more.notified().co_await()?;
///         }));
///         sleep(millis(1)).co_await()?;
///         eggs.borrow_mut().push("egg");
///         more.notify_one();
///         assert_eq!(eater.co_await()?, "egg");
///         Ok(())
///     })
/// }))?;
/// # Ok::<(), Error>(())
/// ```
#[derive(Default)]
pub struct Notify {
    /// A notification that nobody has waited for yet.
    kept: Cell<bool>,
    /// How often all were notified.
    all: Cell<u64>,
    waiters: Waiters<Cell<bool>>,
}

impl Notify {
    /// One without a notification.
    ///
    /// ```
    /// # use coro_core::{Notify, prelude::*};
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let notify = Notify::new();
    /// assert!(wait_for(notify.notified(), secs(1)).co_await().unwrap_err().is_timeout());
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Wakes the first who waits. If nobody does, the next who comes does not wait; that is kept once only,
    /// however often it is called.
    ///
    /// ```
    /// # use coro_core::{Notify, prelude::*};
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let notify = Notify::new();
    /// notify.notify_one();
    /// notify.notify_one();
    /// notify.notified().co_await()?;
    /// assert!(wait_for(notify.notified(), secs(1)).co_await().unwrap_err().is_timeout());
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn notify_one(&self) {
        if !self.waiters.wake_first(|by_one| by_one.set(true)) {
            self.kept.set(true);
        }
    }

    /// Wakes all who wait, and those who called [`notified`](Self::notified) but have not awaited it yet. Nothing is
    /// kept for who comes later.
    ///
    /// ```
    /// # use coro_core::{Notify, prelude::*};
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let notify = Notify::new();
    /// TaskGroup::scope(|group| {
    ///     let waiters = [(); 2].map(|()| group.create_task(notify.notified()));
    ///     sleep(secs(1)).co_await()?;
    ///     notify.notify_waiters();
    ///     for waiter in waiters { waiter.co_await()?; }
    ///     Ok(())
    /// })?;
    /// assert!(wait_for(notify.notified(), secs(1)).co_await().unwrap_err().is_timeout());
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn notify_waiters(&self) {
        self.all.set(self.all.get() + 1);
        self.waiters.wake_all();
    }

    /// Waits for a notification; if one is kept, without suspending.
    ///
    /// What counts for [`notify_waiters`](Self::notify_waiters) is when this is called, not when it is awaited.
    ///
    /// # Errors
    /// When awaited: [`RuntimeError`](crate::RuntimeError) if it must wait where nothing can suspend.
    ///
    /// # Cancellation
    /// The place in the queue is lost. A notification of [`notify_one`](Self::notify_one) that came at the same
    /// moment goes to the next who waits, or is kept.
    ///
    /// ```
    /// # use coro_core::{Notify, prelude::*};
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let notify = Notify::new();
    /// let notified = notify.notified();
    /// notify.notify_waiters();
    /// notified.co_await()?; // was there when all were notified
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn notified(&self) -> Notified<'_> {
        Notified { notify: self, all: self.all.get() }
    }
}

/// What [`Notify::notified`] returns.
///
/// ```
/// # use coro_core::{Notify, prelude::*};
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// let notify = Notify::new();
/// let notified: coro_core::Notified<'_> = notify.notified(); // has not begun
/// notify.notify_one();
/// notified.co_await()?;
/// # Ok(())
/// # })).unwrap();
/// ```
#[must_use = "it waits only when it is awaited"]
pub struct Notified<'a> {
    notify: &'a Notify,
    /// How often all had been notified when this was made.
    all: u64,
}

impl Awaitable for Notified<'_> {
    type Output = ();

    #[inline(always)] // see `suspend`
    fn co_await(self) -> Result<()> {
        let notify = self.notify;
        if notify.all.get() != self.all || notify.kept.take() {
            return Ok(());
        }
        notify.waiters.wait_as(Cell::new(false), |by_one| {
            if by_one.get() {
                notify.notify_one();
            }
        })
    }
}

impl Debug for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.kept.get() { "notified" } else { "idle" };
        match self.waiters.len() {
            0 => write!(f, "<Notify [{state}]>"),
            waiting => write!(f, "<Notify [{state}, waiters:{waiting}]>"),
        }
    }
}
