//! [`Handle`] and [`TimerHandle`]: callbacks that a loop will run, and how they are taken back.
//!
//! Floor 1. A callback runs in its context; its panic is told to the exception handler of the loop.

use std::cell::Cell;
use std::fmt::{self, Debug};
use std::panic::Location;
use std::rc::{Rc, Weak};
use std::time::Duration;

use super::{ExceptionContext, LoopCore, Runnable};
use crate::context::Context;
use crate::error::{Error, Panicked};
use crate::unwind;

type Callback = Box<dyn FnOnce()>;

pub(super) struct HandleInner {
    callback: Cell<Option<Callback>>,
    context: Context,
    core: Weak<LoopCore>,
    cancelled: Cell<bool>,
    pub(super) timer: Cell<bool>,
    location: &'static Location<'static>,
}

impl Runnable for HandleInner {
    fn run(self: Rc<Self>, _: &Rc<LoopCore>) {
        let Some(callback) = self.callback.take() else { return };
        let entered = self.context.enter();
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(callback));
        drop(entered);
        if let (Err(payload), Some(core)) = (result, self.core.upgrade()) {
            unwind::pass_on(&*payload);
            let exception = Error::new(Panicked::new(payload));
            core.call_exception_handler(&ExceptionContext {
                message: format!("Exception in callback at {}", self.location),
                exception: Some(exception),
                future: None,
                handle: Some(format!("{self:?}")),
            });
        }
    }

    fn is_cancelled(&self) -> bool {
        self.cancelled.get()
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.timer.get() { "TimerHandle" } else { "Handle" };
        let cancelled = if self.cancelled.get() { " cancelled" } else { "" };
        write!(f, "<{kind}{cancelled} closure() at {}>", self.location)
    }
}

impl Debug for HandleInner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.describe(f)
    }
}

fn callback_entry(
    core: &Rc<LoopCore>,
    context: Context,
    location: &'static Location<'static>,
    callback: impl FnOnce() + 'static,
) -> Rc<HandleInner> {
    Rc::new(HandleInner {
        callback: Cell::new(Some(Box::new(callback))),
        context,
        core: Rc::downgrade(core),
        cancelled: Cell::new(false),
        timer: Cell::new(false),
        location,
    })
}

/// An entry for the ready queue that runs `callback`, which was registered at `location`.
pub(crate) fn callback(
    core: &Rc<LoopCore>,
    context: Context,
    location: &'static Location<'static>,
    callback: impl FnOnce() + 'static,
) -> Rc<dyn Runnable> {
    callback_entry(core, context, location, callback)
}

/// A callback that a loop will run; `asyncio.Handle`. Dropping it changes nothing.
///
/// ```
/// use coro_core::prelude::*;
/// coro_core::run(coroutine(|| {
///     let handle = get_running_loop()?.call_soon(|| unreachable!());
///     handle.cancel();
///     assert!(handle.cancelled());
///     sleep(secs(1)).co_await()
/// })).unwrap();
/// ```
///
/// It stays on its thread:
/// ```compile_fail
/// let handle = coro_core::get_running_loop().unwrap().call_soon(|| ());
/// std::thread::spawn(move || handle.cancel());
/// ```
#[derive(Clone)]
pub struct Handle {
    pub(super) inner: Rc<HandleInner>,
}

impl Handle {
    #[track_caller]
    pub(super) fn new(core: &Rc<LoopCore>, callback: impl FnOnce() + 'static) -> Self {
        Self::with_context(core, Context::copied(), callback)
    }

    #[track_caller]
    pub(super) fn with_context(
        core: &Rc<LoopCore>,
        context: Context,
        callback: impl FnOnce() + 'static,
    ) -> Self {
        Self { inner: callback_entry(core, context, Location::caller(), callback) }
    }

    /// The callback will not run, if it has not run yet.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let handle = get_running_loop()?.call_soon(|| unreachable!());
    /// handle.cancel();
    /// sleep(secs(1)).co_await()?;
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn cancel(&self) {
        if self.inner.cancelled.replace(true) {
            return;
        }
        let callback = self.inner.callback.take();
        if let (Some(core), true, true) =
            (self.inner.core.upgrade(), callback.is_some(), self.inner.timer.get())
        {
            core.note_timer_cancelled();
        }
        drop(callback);
    }

    /// Whether it was cancelled.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let handle = get_running_loop()?.call_soon(|| ());
    /// assert!(!handle.cancelled());
    /// handle.cancel();
    /// assert!(handle.cancelled());
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn cancelled(&self) -> bool {
        self.inner.cancelled.get()
    }

    /// The context that the callback runs in: the set itself, no copy.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// static USER: coro_core::ContextVar<&str> = coro_core::ContextVar::new("user");
    /// let handle = get_running_loop()?.call_soon(|| { USER.set("ada"); });
    /// sleep(secs(1)).co_await()?;
    /// assert_eq!(handle.get_context().get(&USER), Some("ada"));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn get_context(&self) -> Context {
        self.inner.context.clone()
    }
}

impl Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.describe(f)
    }
}

/// A callback that a loop will run at a certain time; `asyncio.TimerHandle`.
///
/// ```
/// use coro_core::prelude::*;
/// coro_core::run(coroutine(|| {
///     let timer = get_running_loop()?.call_later(secs(5), || unreachable!());
///     assert!(timer.when() >= secs(5));
///     timer.cancel();
///     Ok(())
/// })).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct TimerHandle {
    pub(super) handle: Handle,
    pub(super) when: Duration,
}

impl TimerHandle {
    /// When it runs, by the loop's clock.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// assert_eq!(get_running_loop()?.call_later(secs(5), || ()).when(), secs(5));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn when(&self) -> Duration {
        self.when
    }

    /// The callback will not run, if it has not run yet.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let timer = get_running_loop()?.call_later(secs(5), || unreachable!());
    /// timer.cancel();
    /// sleep(secs(10)).co_await()?;
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn cancel(&self) {
        self.handle.cancel();
    }

    /// Whether it was cancelled.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let timer = get_running_loop()?.call_later(secs(5), || ());
    /// assert!(!timer.cancelled());
    /// timer.cancel();
    /// assert!(timer.cancelled());
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn cancelled(&self) -> bool {
        self.handle.cancelled()
    }

    /// The context that the callback runs in: the set itself, no copy.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// static USER: coro_core::ContextVar<&str> = coro_core::ContextVar::new("user");
    /// USER.set("ada");
    /// let timer = get_running_loop()?.call_later(secs(5), || ());
    /// assert_eq!(timer.get_context().get(&USER), Some("ada"));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn get_context(&self) -> Context {
        self.handle.get_context()
    }
}
