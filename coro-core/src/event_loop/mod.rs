//! The event loop: rounds of the ready queue, timers, and the doors for other threads.
//!
//! Floor 6. A round is CPython's `_run_once`: wait if nothing is ready, take in what came from outside, move the
//! timers that are due to the ready queue, then run exactly the entries that were in it.

mod handle;
mod rounds;
mod teardown;
mod wrap;

use std::cell::Cell;
use std::fmt::Write;
use std::panic::resume_unwind;
use std::rc::Rc;
use std::time::Duration;

pub use handle::{LoopHandle, ThreadsafeFuture};
pub(crate) use rounds::run as run_loop;
use teardown::close_dropped;
pub use wrap::wrap_future;

use crate::clock::Clock;
use crate::coroutine::Awaitable;
use crate::error::{Panicked, Result, RuntimeError, ValueError};
use crate::events::{CloseGuard, EventLoop, LoopCore, Runnable, Waitable, enter_running, running_core};
use crate::report;
use crate::stack::DEFAULT_STACK_SIZE;
use crate::task::{AnyTask, check_thread};

/// How many rounds of a busy loop share one look at the real clock.
const SAMPLE_EVERY: u32 = 16;

/// Says how a loop is to be made.
///
/// ```
/// use coro_core::prelude::*;
/// let event_loop = coro_core::LoopBuilder::new().virtual_clock().build()?;
/// event_loop.run_until_complete(sleep(secs(3600)))?; // takes no time
/// assert_eq!(event_loop.time(), secs(3600));
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct LoopBuilder {
    virtual_from: Option<Duration>,
    stack_size: usize,
    timer_slack: Duration,
    debug: bool,
    eager_tasks: bool,
    seed: Option<u64>,
    sample_every: Option<u32>,
}

impl Default for LoopBuilder {
    fn default() -> Self {
        Self {
            virtual_from: None,
            stack_size: DEFAULT_STACK_SIZE,
            timer_slack: Duration::ZERO,
            debug: false,
            eager_tasks: false,
            seed: None,
            sample_every: None,
        }
    }
}

impl LoopBuilder {
    /// A loop as [`run`](crate::run) makes it.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// let event_loop = coro_core::LoopBuilder::new().build()?;
    /// assert!(!event_loop.get_debug() && !event_loop.is_running());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Time starts at zero and jumps to the next timer whenever nothing is ready and no job runs in a thread.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// let event_loop = coro_core::LoopBuilder::new().virtual_clock().build()?;
    /// event_loop.run_until_complete(sleep(secs(3600)))?; // takes no time
    /// assert_eq!(event_loop.time(), secs(3600));
    /// # Ok::<(), Error>(())
    /// ```
    #[must_use]
    pub fn virtual_clock(self) -> Self {
        self.virtual_clock_from(Duration::ZERO)
    }

    /// As [`virtual_clock`](Self::virtual_clock), starting at `start`.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// let event_loop = coro_core::LoopBuilder::new().virtual_clock_from(secs(60)).build()?;
    /// assert_eq!(event_loop.time(), secs(60));
    /// # Ok::<(), Error>(())
    /// ```
    #[must_use]
    pub fn virtual_clock_from(mut self, start: Duration) -> Self {
        self.virtual_from = Some(start);
        self
    }

    /// Address space for the stack of each task, in bytes; 256 KiB if nothing is said.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// let event_loop = coro_core::LoopBuilder::new().stack_size(1 << 20).build()?;
    /// let deep = coroutine(|| Ok(std::hint::black_box([0_u8; 300 * 1024]).len()));
    /// assert_eq!(event_loop.run_until_complete(deep)?, 300 * 1024);
    /// # Ok::<(), Error>(())
    /// ```
    #[must_use]
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = bytes;
        self
    }

    /// Turns debug mode on or off; `loop.set_debug(on)`.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// assert!(coro_core::LoopBuilder::new().debug(true).build()?.get_debug());
    /// # Ok::<(), Error>(())
    /// ```
    #[must_use]
    pub fn debug(mut self, on: bool) -> Self {
        self.debug = on;
        self
    }

    /// Whether tasks take their first step at once, inside `create_task`; as
    /// [`set_eager_tasks`](EventLoop::set_eager_tasks). The main task of [`run`](crate::run) takes it when its turn
    /// comes, as others made before the loop runs.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// let builder = coro_core::LoopBuilder::new().eager_tasks(true);
    /// let main = coroutine(|| create_task(coroutine(|| Ok(6))).result());
    /// assert_eq!(coro_core::RunBuilder::new().event_loop(builder).run(main)?, 6);
    /// # Ok::<(), Error>(())
    /// ```
    #[must_use]
    pub fn eager_tasks(mut self, on: bool) -> Self {
        self.eager_tasks = on;
        self
    }

    /// Permutes the tasks that are ready in one round: the same seed gives the same order. Callbacks keep their places, and no
    /// task passes one.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// fn order(seed: u64) -> Result<Vec<u32>> {
    ///     let event_loop = coro_core::LoopBuilder::new().seed(seed).build()?;
    ///     let (said, heard) = std::sync::mpsc::channel();
    ///     let eggs = (1..=8).map(move |egg| {
    ///         let said = said.clone();
    ///         coroutine(move || Ok(said.send(egg).unwrap()))
    ///     });
    ///     event_loop.run_until_complete(coroutine(|| gather(eggs).co_await().map(drop)))?;
    ///     Ok(heard.try_iter().collect())
    /// }
    /// assert_eq!(order(7)?, order(7)?);
    /// assert_ne!(order(7)?, order(8)?);
    /// # Ok::<(), Error>(())
    /// ```
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// How many rounds of a busy loop share one look at the clock and at what it watches. A loop that was idle looks
    /// at once.
    ///
    /// At 1 a timer that has become due runs in the next round, as in asyncio: so it is under a virtual clock if
    /// nothing is said. On the real clock it is 16, since a look costs more than a round of few tasks. 0 stands for 1.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// // A test of what happens where timers are late by some rounds:
    /// let event_loop = coro_core::LoopBuilder::new().virtual_clock().sample_every(16).build()?;
    /// let rounds = event_loop.run_until_complete(coroutine(|| {
    ///     let due = std::rc::Rc::new(Event::new());
    ///     get_running_loop()?.call_later(secs(1), { let due = due.clone(); move || due.set() });
    ///     get_running_loop()?.advance_time(secs(2))?; // as a blocking call does
    ///     let mut rounds = 0;
    ///     while !due.is_set() {
    ///         sleep(Duration::ZERO).co_await()?;
    ///         rounds += 1;
    ///     }
    ///     Ok(rounds)
    /// }))?;
    /// assert!((10..=20).contains(&rounds), "{rounds}");
    /// # Ok::<(), Error>(())
    /// ```
    #[must_use]
    pub fn sample_every(mut self, rounds: u32) -> Self {
        self.sample_every = Some(rounds);
        self
    }

    /// How late timers may be, so that many of them come up together; as
    /// [`set_timer_slack`](EventLoop::set_timer_slack). Zero, if nothing is said: timers are exact.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// let event_loop = coro_core::LoopBuilder::new().timer_slack(millis(1)).build()?;
    /// assert_eq!(event_loop.timer_slack(), millis(1));
    /// # Ok::<(), Error>(())
    /// ```
    #[must_use]
    pub fn timer_slack(mut self, slack: Duration) -> Self {
        self.timer_slack = slack;
        self
    }

    /// Makes the loop.
    ///
    /// # Errors
    /// What the operating system says if it has no poller left; [`StackError`](crate::stack::StackError) for a
    /// stack size that cannot be.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// let event_loop = coro_core::LoopBuilder::new().build()?;
    /// assert_eq!(event_loop.run_until_complete(coroutine(|| Ok(6)))?, 6);
    /// assert!(coro_core::LoopBuilder::new().stack_size(1).build().is_err());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn build(self) -> Result<EventLoop> {
        crate::stack::check_size(self.stack_size)?;
        let clock = self.virtual_from.map_or_else(Clock::monotonic, Clock::virtual_from);
        let default = if clock.is_virtual() { 1 } else { SAMPLE_EVERY };
        let sample_every = self.sample_every.unwrap_or(default).max(1);
        let core = LoopCore::new(clock, self.stack_size, sample_every)?;
        core.debug.set(self.debug);
        core.eager_tasks.set(self.eager_tasks);
        core.timer_slack.set(self.timer_slack);
        core.seed.set(self.seed);
        report::debug(format_args!(
            "Using selector: {}",
            if cfg!(target_os = "linux") { "epoll" } else { "polling" }
        ));
        let guard = Rc::new(CloseGuard { core: Rc::clone(&core), close: close_dropped });
        *core.guard.borrow_mut() = Rc::downgrade(&guard);
        Ok(EventLoop { core, guard: Some(guard) })
    }
}

impl EventLoop {
    /// A loop on the real clock; `asyncio.new_event_loop()`.
    ///
    /// # Errors
    /// As [`LoopBuilder::build`].
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// let event_loop = coro_core::EventLoop::new()?;
    /// assert_eq!(event_loop.run_until_complete(coroutine(|| Ok(6)))?, 6);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn new() -> Result<Self> {
        LoopBuilder::new().build()
    }

    /// Runs the loop until `awaitable` is done, and gives its result.
    ///
    /// # Errors
    /// What `awaitable` raises; [`RuntimeError`] if a loop is running on this thread already, if this one is
    /// closed, or if it was stopped before `awaitable` was done; [`SystemExit`](crate::SystemExit) and
    /// [`KeyboardInterrupt`](crate::KeyboardInterrupt) of any task.
    ///
    /// # Panics
    /// With the panic of `awaitable`, if it panics.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// let event_loop = coro_core::EventLoop::new()?;
    /// let task = event_loop.create_task(coroutine(|| Ok("eggs")));
    /// assert_eq!(event_loop.run_until_complete(task)?, "eggs");
    /// # Ok::<(), Error>(())
    /// ```
    pub fn run_until_complete<A>(&self, awaitable: A) -> Result<A::Output>
    where
        A: Awaitable + 'static,
        A::Output: 'static,
    {
        if let Err(error) = check_may_run(&self.core) {
            awaitable.__discard();
            return Err(error);
        }
        let entered = enter_running(&self.core);
        let future = crate::task::ensure_future(awaitable);
        drop(entered);
        if !future.0.event_loop().is_some_and(|core| Rc::ptr_eq(&core, &self.core)) && !future.done() {
            return Err(ValueError::new(
                "The future belongs to a different loop than the one specified as the loop argument",
            )
            .into());
        }
        let stop = StopLoop::with(&self.core, &future.0);
        if future.0.event_loop().is_some() {
            let ran = self.run_forever();
            stop.leave(&future.0, &ran);
            ran?;
        }
        if !future.done() {
            return Err(RuntimeError::new("Event loop stopped before Future completed.").into());
        }
        unpanic(future.into_result())
    }

    /// Runs the loop until [`stop`](Self::stop) is called.
    ///
    /// # Errors
    /// [`RuntimeError`] as [`run_until_complete`](Self::run_until_complete); what the poller says if it fails;
    /// [`SystemExit`](crate::SystemExit) and [`KeyboardInterrupt`](crate::KeyboardInterrupt) of any task.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// let event_loop = coro_core::EventLoop::new()?;
    /// let stopper = event_loop.clone();
    /// event_loop.call_later(millis(1), move || stopper.stop());
    /// event_loop.run_forever()?; // until then
    /// assert!(!event_loop.is_running());
    /// # event_loop.close()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn run_forever(&self) -> Result<()> {
        check_may_run(&self.core)?;
        rounds::run(&self.core)
    }

    /// Moves a virtual clock forward by `duration` without running anything: what a blocking call does to real time.
    ///
    /// # Errors
    /// [`RuntimeError`] if the loop is on the real clock.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let clock = get_running_loop()?;
    /// let nap = create_task(sleep(secs(1)));
    /// sleep(Duration::ZERO).co_await()?; // it has begun
    /// clock.advance_time(secs(60))?;
    /// nap.co_await()?; // was due long ago
    /// assert_eq!(clock.time(), secs(60));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn advance_time(&self, duration: Duration) -> Result<()> {
        if !self.core.clock.is_virtual() {
            return Err(RuntimeError::new("only a virtual clock can be moved").into());
        }
        self.core.clock.advance_to(self.time().saturating_add(duration));
        Ok(())
    }

    /// Ends [`run_forever`](Self::run_forever) after the present round. What is scheduled stays so, for the
    /// next run.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// let event_loop = coro_core::EventLoop::new()?;
    /// event_loop.stop();
    /// event_loop.run_forever()?; // one round
    /// # event_loop.close()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn stop(&self) {
        self.core.stopping.set(true);
    }

    /// Closes the loop: what is scheduled is dropped, tasks that are left are destroyed. Closing twice is fine.
    ///
    /// # Errors
    /// [`RuntimeError`] "Cannot close a running event loop".
    ///
    /// # Cancellation
    /// Tasks that are left are not cancelled: their stacks are unwound, so that destructors run, and nothing
    /// can be awaited in them. [`Runner::close`](crate::Runner::close) cancels them first.
    ///
    /// # Panics
    /// With the first panic of a destructor in a task that is left, when all have been ended.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// let event_loop = coro_core::EventLoop::new()?;
    /// event_loop.close()?;
    /// assert!(event_loop.is_closed());
    /// let late = event_loop.create_task(coroutine(|| Ok(1)));
    /// assert_eq!(late.result().unwrap_err().to_string(), "Event loop is closed");
    /// # Ok::<(), Error>(())
    /// ```
    pub fn close(&self) -> Result<()> {
        if self.is_running() {
            return Err(RuntimeError::new("Cannot close a running event loop").into());
        }
        teardown::close(&self.core);
        Ok(())
    }
}

/// Whether this thread may run the loop now.
///
/// # Errors
/// [`RuntimeError`] that says why not.
pub(crate) fn check_may_run(core: &Rc<LoopCore>) -> Result<()> {
    core.check_open()?;
    let message = if core.running.get() {
        "This event loop is already running"
    } else if running_core().is_ok() {
        "Cannot run the event loop while another loop is running"
    } else if std::thread::panicking() {
        "cannot run a loop while the thread is unwinding from a panic"
    } else if core.doors.thread != std::thread::current().id() {
        "the loop belongs to another thread"
    } else {
        return check_thread();
    };
    Err(RuntimeError::new(message).into())
}

/// The done callback of what the loop is run for: stops the loop.
pub(crate) struct StopLoop {
    core: Rc<LoopCore>,
    disarmed: Cell<bool>,
}

impl StopLoop {
    pub(crate) fn new(core: &Rc<LoopCore>) -> Rc<Self> {
        Rc::new(Self { core: Rc::clone(core), disarmed: Cell::new(false) })
    }

    /// Stops the loop in the round after the one in which `future` is done.
    pub(crate) fn with(core: &Rc<LoopCore>, future: &Rc<dyn Waitable>) -> Rc<Self> {
        let stop = Self::new(core);
        future.add_waiter(Rc::clone(&stop) as Rc<dyn Runnable>);
        stop
    }

    /// The loop ran until now: it is not to be stopped for the sake of `future` any more.
    pub(crate) fn leave(self: Rc<Self>, future: &Rc<dyn Waitable>, ran: &Result<()>) {
        // Scheduled already, it still stops the next run, as in asyncio, but for what broke out of the loop.
        self.disarmed.set(ran.is_err());
        future.remove_waiter(&(self as Rc<dyn Runnable>));
    }

    /// It stops nothing any more.
    pub(crate) fn disarm(&self) {
        self.disarmed.set(true);
    }
}

impl Runnable for StopLoop {
    fn run(self: Rc<Self>, _: &Rc<LoopCore>) {
        if !self.disarmed.get() {
            self.core.stopping.set(true);
        }
    }

    fn describe(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("_run_until_complete_cb()")
    }

    fn callback_name(&self) -> String {
        format!("_run_until_complete_cb() at {}:{}", file!(), line!())
    }
}

/// Nothing is ready, no timer is set, nothing is watched, no thread works for the loop and none could wake it: it would
/// hang for ever.
///
/// The message names each task that is left and what it waits for.
///
/// ```
/// use coro_core::{Deadlock, Future, prelude::*};
/// let error = coro_core::run(coroutine(|| (&Future::<u32>::new()).co_await())).unwrap_err();
/// assert!(error.is::<Deadlock>());
/// assert!(error.to_string().contains("Task-1"));
/// ```
#[derive(Clone, Debug, thiserror::Error)]
#[error("{report}")]
pub struct Deadlock {
    report: String,
}

impl Deadlock {
    fn new(tasks: &[AnyTask]) -> Self {
        let mut report = "deadlock: nothing can ever wake this loop again".to_owned();
        for task in tasks {
            // Writing to a String cannot fail.
            let _ = write!(report, "\n  {task:?}");
        }
        Self { report }
    }
}

/// A panic that a task caught goes on in the one who ran the loop for that task.
pub(crate) fn unpanic<T>(result: Result<T>) -> Result<T> {
    let panicked = result.as_ref().err().and_then(|error| error.downcast_ref::<Panicked>());
    match panicked.and_then(Panicked::take_payload) {
        Some(payload) => resume_unwind(payload),
        None => result,
    }
}
