//! [`LoopCore`]: the queues, the settings and the exception handler of one loop.
//!
//! Floor 1. Whoever needs the loop, from futures to the rounds of `event_loop/`, holds one by an `Rc`; only the
//! handles of users keep the loop open.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::io;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use slab::Slab;

use super::signals::SignalEntries;
#[cfg(unix)]
use super::watch::Watches;
use super::{
    Doors, EventLoop, ExceptionContext, ExceptionHandler, Executor, Ready, Resource, Runnable, Wakeup,
};
use crate::clock::Clock;
use crate::error::{Error, Panicked, Result, RuntimeError};
use crate::reactor::Reactor;
use crate::report;
use crate::timer_queue::TimerQueue;
use crate::unwind;

/// Everything that belongs to one loop. `event_loop/` runs it; futures and tasks hold it.
pub(crate) struct LoopCore {
    /// What runs in the next round.
    pub(crate) ready: RefCell<Ready>,
    pub(crate) timers: RefCell<TimerQueue<Rc<dyn Runnable>>>,
    pub(crate) clock: Clock,
    pub(crate) reactor: Reactor,
    pub(crate) doors: Arc<Doors>,
    pub(crate) running: Cell<bool>,
    pub(crate) stopping: Cell<bool>,
    /// Whether a task broke out of the loop in this round, and with what.
    pub(crate) broken: Cell<bool>,
    broken_by: Cell<Option<Error>>,
    pub(crate) closed: Cell<bool>,
    pub(crate) debug: Cell<bool>,
    pub(crate) slow_callback_duration: Cell<Duration>,
    pub(crate) stack_size: Cell<usize>,
    /// How late timers may be, so that many of them come up together; zero is exact.
    pub(crate) timer_slack: Cell<Duration>,
    /// Whether tasks take their first step when they are made.
    pub(crate) eager_tasks: Cell<bool>,
    /// What `set_task_factory` was given; the floor of tasks knows its type.
    pub(crate) task_factory: RefCell<Option<Rc<dyn Any>>>,
    pub(crate) exception_handler: RefCell<Option<ExceptionHandler>>,
    /// Jobs in threads whose end this loop will be told of.
    pub(crate) jobs: Cell<usize>,
    /// Waits for other threads that are no such jobs: a virtual clock waits for them too.
    pub(crate) held: Cell<usize>,
    /// What becomes ready when the last of those jobs ends.
    pub(crate) jobs_waiters: RefCell<Vec<Rc<dyn Runnable>>>,
    /// Who runs those jobs; `None` stands for the pool of this process.
    pub(crate) executor: RefCell<Option<Rc<dyn Executor>>>,
    /// Whether no more jobs are taken.
    pub(crate) executor_shut: Cell<bool>,
    /// File descriptors with callbacks.
    #[cfg(unix)]
    pub(crate) watches: Watches,
    /// Signals that are handled here.
    pub(crate) signals: SignalEntries,
    /// What is open, and goes when the loop is closed.
    pub(crate) resources: RefCell<Slab<Weak<dyn Resource>>>,
    /// Waits that are not in use.
    pub(crate) spare_wakeups: RefCell<Vec<Rc<Wakeup>>>,
    /// How many operations on sockets may go on without a wait before the others get their turn.
    pub(crate) operations_left: Cell<u32>,
    /// How many rounds of a busy loop share one look at the clock and the poller.
    pub(crate) sample_every: u32,
    /// How many of those rounds are left.
    pub(crate) until_sample: Cell<u32>,
    /// A permutation seed for the order of one round; `None` keeps asyncio's order.
    pub(crate) seed: Cell<Option<u64>>,
    pub(crate) guard: RefCell<Weak<CloseGuard>>,
    /// What a Ctrl-C does; set while `run` handles it.
    pub(crate) interrupt_hook: RefCell<Option<Rc<dyn Fn()>>>,
}

/// How many operations on sockets may follow each other without a wait.
pub(crate) const OPERATIONS: u32 = 128;

impl LoopCore {
    pub(crate) fn new(clock: Clock, stack_size: usize, sample_every: u32) -> io::Result<Rc<Self>> {
        let reactor = Reactor::new()?;
        reactor.lists_addresses.set(clock.is_virtual());
        let doors = Doors::new(reactor.notifier());
        Ok(Rc::new(Self {
            ready: RefCell::default(),
            timers: RefCell::new(TimerQueue::new()),
            clock,
            reactor,
            doors: Arc::new(doors),
            running: Cell::new(false),
            stopping: Cell::new(false),
            broken: Cell::new(false),
            broken_by: Cell::new(None),
            closed: Cell::new(false),
            debug: Cell::new(false),
            slow_callback_duration: Cell::new(Duration::from_millis(100)),
            stack_size: Cell::new(stack_size),
            timer_slack: Cell::new(Duration::ZERO),
            eager_tasks: Cell::new(false),
            task_factory: RefCell::default(),
            exception_handler: RefCell::default(),
            jobs: Cell::new(0),
            held: Cell::new(0),
            jobs_waiters: RefCell::default(),
            executor: RefCell::default(),
            executor_shut: Cell::new(false),
            #[cfg(unix)]
            watches: Watches::default(),
            signals: SignalEntries::default(),
            resources: RefCell::default(),
            spare_wakeups: RefCell::default(),
            operations_left: Cell::new(OPERATIONS),
            sample_every,
            until_sample: Cell::new(0),
            seed: Cell::new(None),
            guard: RefCell::new(Weak::new()),
            interrupt_hook: RefCell::default(),
        }))
    }

    /// Puts `item` at the end of the ready queue. On a closed loop nothing happens.
    #[inline(always)]
    pub(crate) fn push(&self, item: Rc<dyn Runnable>) {
        if !self.closed.get() {
            self.ready.borrow_mut().push(item);
        }
    }

    /// Runs `item` at `when` by this loop's clock. On a closed loop nothing happens.
    pub(crate) fn push_timer(&self, when: Duration, item: Rc<dyn Runnable>) {
        match self.slack_in_force() {
            Duration::ZERO => self.push_exact(when, item),
            slack => self.push_with_slack(slack, self.clock.now(), when, item),
        }
    }

    #[inline]
    fn push_exact(&self, when: Duration, item: Rc<dyn Runnable>) {
        if !self.closed.get() {
            self.timers.borrow_mut().push(when, item);
        }
    }

    fn push_with_slack(&self, slack: Duration, now: Duration, when: Duration, item: Rc<dyn Runnable>) {
        if when <= now {
            return self.push_exact(when, item); // is due: there is nothing to wait for
        }
        if !self.closed.get() {
            self.timers.borrow_mut().push_shared(round_up(when, slack), item);
        }
    }

    /// How late timers may be. A virtual clock is exact.
    #[inline]
    fn slack_in_force(&self) -> Duration {
        match self.clock.is_virtual() {
            true => Duration::ZERO,
            false => self.timer_slack.get(),
        }
    }

    /// Runs `item` when `duration`, which is above zero, has passed.
    #[inline]
    pub(crate) fn push_sleep(&self, duration: Duration, item: Rc<dyn Runnable>) {
        let now = self.clock.now();
        let when = now.saturating_add(duration);
        match self.slack_in_force() {
            Duration::ZERO => self.push_exact(when, item),
            slack => self.push_with_slack(slack, now, when, item),
        }
    }

    /// Ends the round at once, and the run of the loop with `error`. What was ready stays so, for the next run.
    pub(crate) fn break_out(&self, error: Error) {
        self.broken.set(true);
        self.stopping.set(true);
        drop(self.broken_by.replace(Some(error)));
    }

    /// How a run ends that was told to stop.
    pub(crate) fn stopped(&self) -> Result<()> {
        self.broken.set(false);
        self.broken_by.take().map_or(Ok(()), Err)
    }

    /// Runs `item` when `delay` has passed; if that is nothing, in the next round.
    pub(crate) fn push_timer_after(&self, delay: Duration, item: Rc<dyn Runnable>) {
        if delay.is_zero() {
            self.until_sample.set(0);
        }
        self.push_timer(self.clock.now().saturating_add(delay), item);
    }

    /// Tells the timer queue that one of its entries has become useless.
    pub(crate) fn note_timer_cancelled(&self) {
        let mut timers = self.timers.borrow_mut();
        if timers.note_cancelled() {
            let gone = timers.sweep(|item| item.is_cancelled());
            drop(timers);
            drop(gone);
        }
    }

    /// One job in a thread less.
    pub(crate) fn note_job_ended(&self) {
        self.jobs.set(self.jobs.get() - 1);
        if self.jobs.get() == 0 {
            let waiters = self.jobs_waiters.take();
            waiters.into_iter().for_each(|waiter| self.push(waiter));
        }
    }

    /// How many of the references on the doors are the loop's own and its signal handler's.
    pub(crate) fn own_doors(&self) -> usize {
        1 + usize::from(self.interrupt_hook.borrow().is_some())
    }

    pub(crate) fn check_open(&self) -> Result<()> {
        match self.closed.get() {
            true => Err(RuntimeError::new("Event loop is closed").into()),
            false => Ok(()),
        }
    }

    /// A handle for users.
    pub(crate) fn handle(self: &Rc<Self>) -> EventLoop {
        let guard = self.guard.borrow().upgrade();
        EventLoop { core: Rc::clone(self), guard }
    }

    /// Tells the exception handler, or the log.
    pub(crate) fn call_exception_handler(self: &Rc<Self>, context: &ExceptionContext) {
        let handler = self.exception_handler.borrow().clone();
        let Some(handler) = handler else { return default_exception_handler(context) };
        let event_loop = self.handle();
        let call = std::panic::AssertUnwindSafe(|| handler(&event_loop, context));
        if let Err(payload) = std::panic::catch_unwind(call) {
            unwind::pass_on(&*payload);
            let message = "Unhandled error in exception handler".to_owned();
            let exception = Some(Error::new(Panicked::new(payload)));
            default_exception_handler(&ExceptionContext { message, exception, future: None, handle: None });
        }
    }
}

/// The first multiple of `slack` that is not before `when`. A moment of another century stays as it is.
fn round_up(when: Duration, slack: Duration) -> Duration {
    let nanoseconds = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    match nanoseconds(when).checked_next_multiple_of(nanoseconds(slack)) {
        Some(rounded) => Duration::from_nanos(rounded),
        None => when,
    }
}

pub(crate) fn default_exception_handler(context: &ExceptionContext) {
    let ExceptionContext { message, exception, future, handle } = context;
    let mut text = message.clone();
    for (name, value) in [("future", future), ("handle", handle)] {
        if let Some(value) = value {
            text.push_str(&format!("\n{name}: {value}"));
        }
    }
    match exception {
        Some(exception) => report::exception(text, exception),
        None => report::error(text),
    }
}

/// Closes the loop when the last handle of a user is gone. Tasks and futures do not count.
pub(crate) struct CloseGuard {
    pub(crate) core: Rc<LoopCore>,
    pub(crate) close: fn(&Rc<LoopCore>),
}

impl Drop for CloseGuard {
    fn drop(&mut self) {
        (self.close)(&self.core);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_rounded_up_to_a_multiple_of_the_slack() {
        let millis = Duration::from_millis;
        let rounded = [0, 1, 9, 10, 11].map(|when| round_up(millis(when), millis(10)));
        assert_eq!(rounded, [0, 10, 10, 10, 20].map(millis));
        assert_eq!(round_up(Duration::MAX, millis(10)), Duration::MAX);
        assert_eq!(round_up(millis(1), Duration::MAX), Duration::from_nanos(u64::MAX));
    }
}
