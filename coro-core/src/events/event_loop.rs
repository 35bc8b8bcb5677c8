//! [`EventLoop`]: the handle on a loop that users hold, as far as it needs no tasks.
//!
//! Floor 1. Running and closing a loop are added by `event_loop/`.

use std::fmt::{self, Debug, Display};
use std::rc::Rc;
use std::time::Duration;

use super::{CloseGuard, ExceptionContext, Handle, LoopCore, TimerHandle, default_exception_handler};
use crate::context::Context;
use crate::error::Result;
use crate::report;

/// What [`EventLoop::set_exception_handler`] was given, as [`EventLoop::get_exception_handler`] gives it back.
///
/// ```
/// # use coro_core::prelude::*;
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// let event_loop = get_running_loop()?;
/// event_loop.set_exception_handler(|_, context| eprintln!("{}", context.message));
/// let handler: coro_core::ExceptionHandler = event_loop.get_exception_handler().unwrap();
/// event_loop.set_exception_handler(move |event_loop, context| handler(event_loop, context));
/// # Ok(())
/// # })).unwrap();
/// ```
pub type ExceptionHandler = Rc<dyn Fn(&EventLoop, &ExceptionContext)>;

/// An event loop; `asyncio.BaseEventLoop`. A clone is another handle on the same loop.
///
/// Most programs never make one: [`run`](crate::run) does, and [`get_running_loop`](crate::get_running_loop) gives it.
/// Dropping the last handle closes the loop; debug mode reports that as "unclosed event loop". A handle that one of the
/// loop's own callbacks or tasks holds keeps it open for ever: then [`close`](Self::close) has to be called.
///
/// ```
/// use coro_core::prelude::*;
///
/// let event_loop = coro_core::EventLoop::new()?;
/// let six = event_loop.run_until_complete(coroutine(|| Ok(6)))?;
/// event_loop.close()?;
/// assert_eq!((six, event_loop.is_closed()), (6, true));
/// # Ok::<(), Error>(())
/// ```
///
/// A loop stays on its thread:
/// ```compile_fail
/// let event_loop = coro_core::EventLoop::new().unwrap();
/// std::thread::spawn(move || event_loop.close());
/// ```
#[derive(Clone)]
pub struct EventLoop {
    pub(crate) core: Rc<LoopCore>,
    #[expect(dead_code, reason = "held for its Drop")]
    pub(crate) guard: Option<Rc<CloseGuard>>,
}

impl EventLoop {
    /// Whether it is running now; `loop.is_running()`.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// assert!(get_running_loop()?.is_running());
    /// assert!(!coro_core::EventLoop::new()?.is_running());
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn is_running(&self) -> bool {
        self.core.running.get()
    }

    /// Whether it was closed.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// let event_loop = coro_core::EventLoop::new()?;
    /// assert!(!event_loop.is_closed());
    /// event_loop.close()?;
    /// assert!(event_loop.is_closed());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn is_closed(&self) -> bool {
        self.core.closed.get()
    }

    /// The time by the loop's clock, from an origin of the loop's own; `loop.time()`.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let clock = get_running_loop()?;
    /// let before = clock.time();
    /// sleep(secs(3)).co_await()?;
    /// assert_eq!(clock.time() - before, secs(3));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn time(&self) -> Duration {
        self.core.clock.now()
    }

    /// Whether debug mode is on; `loop.get_debug()`.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// assert!(!get_running_loop()?.get_debug());
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn get_debug(&self) -> bool {
        self.core.debug.get()
    }

    /// Turns debug mode on or off: it tells the log of slow callbacks, and of what was dropped without being closed.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let event_loop = get_running_loop()?;
    /// event_loop.set_debug(true);
    /// assert!(event_loop.get_debug());
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn set_debug(&self, on: bool) {
        self.core.debug.set(on);
    }

    /// What counts as slow in debug mode; 100 ms at first.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// assert_eq!(get_running_loop()?.slow_callback_duration(), millis(100));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn slow_callback_duration(&self) -> Duration {
        self.core.slow_callback_duration.get()
    }

    /// Sets what counts as slow in debug mode; `loop.slow_callback_duration = seconds`.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let event_loop = get_running_loop()?;
    /// event_loop.set_slow_callback_duration(millis(5));
    /// assert_eq!(event_loop.slow_callback_duration(), millis(5));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn set_slow_callback_duration(&self, duration: Duration) {
        self.core.slow_callback_duration.set(duration);
    }

    /// How late timers may be; zero at first.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// assert_eq!(get_running_loop()?.timer_slack(), Duration::ZERO);
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn timer_slack(&self) -> Duration {
        self.core.timer_slack.get()
    }

    /// Lets timers, sleeps and time limits that begin from now on be late by up to `slack`, so that many of them come up
    /// together: the moment is rounded up to a multiple of `slack`. With thousands of them it saves CPU time. Zero makes
    /// them exact.
    ///
    /// Those that are due at once are not rounded. Of timers that are rounded to the same moment, the one that was made
    /// first comes first, whichever was due first. A virtual clock is exact, whatever the slack is. asyncio's relative is
    /// `loop._clock_resolution`, by which its timers may be early.
    ///
    /// ```
    /// use coro_core::prelude::*;
    /// coro_core::run(coroutine(|| {
    ///     let event_loop = get_running_loop()?;
    ///     event_loop.set_timer_slack(millis(20));
    ///     let start = event_loop.time();
    ///     gather((1..=1000).map(|n| sleep(Duration::from_micros(n)))).co_await()?; // wake all at once, or in two groups
    ///     assert!(event_loop.time() - start >= millis(1));
    ///     Ok(())
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn set_timer_slack(&self, slack: Duration) {
        self.core.timer_slack.set(slack);
    }

    /// Address space for the stack of each task that starts from now on, in bytes.
    ///
    /// # Errors
    /// [`ValueError`](crate::ValueError) if no stack can have that size.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// get_running_loop()?.set_stack_size(1 << 20)?;
    /// let deep = create_task(coroutine(|| Ok(std::hint::black_box([0_u8; 300 * 1024]).len())));
    /// assert_eq!(deep.co_await()?, 300 * 1024);
    /// assert!(get_running_loop()?.set_stack_size(1).is_err());
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn set_stack_size(&self, bytes: usize) -> Result<()> {
        crate::stack::check_size(bytes)?;
        self.core.stack_size.set(bytes);
        Ok(())
    }

    /// Sets what is told of exceptions that nobody else can be told of, in place of the log.
    ///
    /// ```
    /// use coro_core::prelude::*;
    /// use std::{cell::Cell, rc::Rc};
    /// let told = Rc::new(Cell::new(false));
    /// coro_core::run(coroutine(|| {
    ///     let event_loop = get_running_loop()?;
    ///     let heard = Rc::clone(&told);
    ///     event_loop.set_exception_handler(move |_, context| {
    ///         heard.set(context.message == "Task exception was never retrieved");
    ///     });
    ///     create_task(coroutine(|| Err::<(), _>(Error::msg("burnt"))));
    ///     sleep(millis(1)).co_await()
    /// }))?;
    /// assert!(told.get());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn set_exception_handler(&self, handler: impl Fn(&EventLoop, &ExceptionContext) + 'static) {
        let old = self.core.exception_handler.replace(Some(Rc::new(handler)));
        drop(old);
    }

    /// Lets the log be told again; `set_exception_handler(None)`.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let event_loop = get_running_loop()?;
    /// event_loop.set_exception_handler(|_, _| ());
    /// event_loop.reset_exception_handler();
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn reset_exception_handler(&self) {
        let old = self.core.exception_handler.take();
        drop(old);
    }

    /// The exception handler that was set, if one was.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let event_loop = get_running_loop()?;
    /// assert!(event_loop.get_exception_handler().is_none());
    /// event_loop.set_exception_handler(|_, context| eprintln!("{}", context.message));
    /// // Another one, which leaves to the first what it does not know:
    /// let first = event_loop.get_exception_handler().unwrap();
    /// event_loop.set_exception_handler(move |event_loop, context| {
    ///     if !context.message.contains("eggs") {
    ///         first(event_loop, context);
    ///     }
    /// });
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn get_exception_handler(&self) -> Option<ExceptionHandler> {
        self.core.exception_handler.borrow().clone()
    }

    /// Tells the exception handler of something, or the log if there is none. A panic of the handler is
    /// logged.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// use coro_core::ExceptionContext;
    /// let (said, heard) = std::sync::mpsc::channel();
    /// let event_loop = get_running_loop()?;
    /// event_loop.set_exception_handler(move |_, context| said.send(context.message.clone()).unwrap());
    /// event_loop.call_exception_handler(&ExceptionContext {
    ///     message: "burnt".to_owned(),
    ///     exception: None,
    ///     future: None,
    ///     handle: None,
    /// });
    /// assert_eq!(heard.recv().unwrap(), "burnt");
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn call_exception_handler(&self, context: &ExceptionContext) {
        self.core.call_exception_handler(context);
    }

    /// Logs `context` as a loop without a handler of its own does.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// // A handler that leaves to the log what it does not know:
    /// get_running_loop()?.set_exception_handler(|event_loop, context| {
    ///     if !context.message.contains("eggs") {
    ///         event_loop.default_exception_handler(context);
    ///     }
    /// });
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn default_exception_handler(&self, context: &ExceptionContext) {
        default_exception_handler(context);
    }

    /// Whether both are handles on the same loop; Python's `is`.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let event_loop = get_running_loop()?;
    /// assert!(event_loop.same(&get_running_loop()?) && !event_loop.same(&coro_core::EventLoop::new()?));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn same(&self, other: &EventLoop) -> bool {
        Rc::ptr_eq(&self.core, &other.core)
    }

    /// Runs `callback` in the next round, in a copy of the present context; `loop.call_soon()`. It cannot await. On a
    /// closed loop it never runs: its handle is a cancelled one.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let (said, heard) = std::sync::mpsc::channel();
    /// get_running_loop()?.call_soon(move || said.send("eggs").unwrap());
    /// assert!(heard.try_recv().is_err()); // not yet
    /// sleep(Duration::ZERO).co_await()?;
    /// assert_eq!(heard.try_recv().unwrap(), "eggs");
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    #[track_caller]
    pub fn call_soon(&self, callback: impl FnOnce() + 'static) -> Handle {
        self.schedule(Handle::new(&self.core, callback))
    }

    /// On a closed loop nothing runs any more: the handle says so.
    fn schedule(&self, handle: Handle) -> Handle {
        match self.core.closed.get() {
            true => handle.cancel(),
            false => self.core.push(handle.inner.clone()),
        }
        handle
    }

    /// Runs `callback` in the next round with `context` in force; `loop.call_soon(callback,
    /// context=context)`.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// static USER: coro_core::ContextVar<&str> = coro_core::ContextVar::new("user");
    /// let context = coro_core::Context::new();
    /// get_running_loop()?.call_soon_in(&context, || { USER.set("ada"); });
    /// sleep(Duration::ZERO).co_await()?;
    /// assert_eq!(context.get(&USER), Some("ada"));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    #[track_caller]
    pub fn call_soon_in(&self, context: &Context, callback: impl FnOnce() + 'static) -> Handle {
        self.schedule(Handle::with_context(&self.core, context.clone(), callback))
    }

    /// Runs `callback` when `delay` has passed; `loop.call_later()`.
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
    #[track_caller]
    pub fn call_later(&self, delay: Duration, callback: impl FnOnce() + 'static) -> TimerHandle {
        let now = self.time();
        self.schedule_at(now, now.saturating_add(delay), callback)
    }

    /// Runs `callback` at `when` by the loop's clock; a moment in the past means the next round.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let event_loop = get_running_loop()?;
    /// let timer = event_loop.call_at(event_loop.time() + secs(3), || ());
    /// assert_eq!(timer.when(), secs(3));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    #[track_caller]
    pub fn call_at(&self, when: Duration, callback: impl FnOnce() + 'static) -> TimerHandle {
        self.schedule_at(self.time(), when, callback)
    }

    #[track_caller]
    fn schedule_at(&self, now: Duration, when: Duration, callback: impl FnOnce() + 'static) -> TimerHandle {
        if when <= now {
            self.core.until_sample.set(0); // it is due in the next round
        }
        let handle = Handle::new(&self.core, callback);
        if self.core.closed.get() {
            handle.cancel();
        }
        handle.inner.timer.set(true);
        self.core.push_timer(when, handle.inner.clone());
        TimerHandle { handle, when }
    }
}

impl LoopCore {
    /// Reports, in debug mode, that `what` was dropped without having been closed. For destructors: nothing is said while
    /// a panic passes, since nobody could have closed it then.
    pub(crate) fn report_unclosed(&self, what: impl Display) {
        if self.debug.get() && !std::thread::panicking() {
            report::unclosed(what);
        }
    }
}

impl Debug for EventLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (running, closed, debug) = (self.is_running(), self.is_closed(), self.get_debug());
        write!(f, "<EventLoop running={running} closed={closed} debug={debug}>")
    }
}
