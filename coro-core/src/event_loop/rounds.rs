//! One round after the other, and what happens between them.
//!
//! The clock is read when the loop was idle and otherwise every so many rounds, see [`LoopBuilder::sample_every`]. So
//! is the poller asked, if it watches anything: a wake-up from another thread leaves a mark that costs nothing to look
//! at.
//!
//! [`LoopBuilder::sample_every`]: super::LoopBuilder::sample_every

use std::any::Any;
use std::cell::Cell;
use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::Deadlock;
use crate::error::{Error, Panicked, Result};
use crate::events::{ExceptionContext, LoopCore, Round, Runnable, enter_running};
use crate::fiber::barrier;
use crate::reactor::Hold;
use crate::report;
use crate::stack;
use crate::task::{are_many, leave_task, tasks_of};
use crate::waker::idle_slots;

/// Before a wait of this length it is worth giving the memory of free stacks back.
const LONG_WAIT: Duration = Duration::from_millis(100);

/// How long a virtual clock waits, in real time, for what was sent from this process to this process.
const MOMENT: Duration = Duration::from_millis(5);

/// Runs rounds until the loop is told to stop, or can never wake again.
pub(crate) fn run(core: &Rc<LoopCore>) -> Result<()> {
    struct Leave<'a>(&'a LoopCore);
    impl Drop for Leave<'_> {
        fn drop(&mut self) {
            self.0.running.set(false);
            self.0.stopping.set(false);
        }
    }
    let _outer = leave_task();
    let _running = enter_running(core);
    core.running.set(true);
    let _leave = Leave(core);
    barrier("in a callback: only tasks can wait", || {
        loop {
            match catch_unwind(AssertUnwindSafe(|| rounds(core))) {
                Ok(outcome) => return outcome,
                // Callbacks and tasks are caught one by one; this was a destructor or a waker of the user. It must
                // not end the loop, which may run tasks that borrow from the one who runs it.
                Err(payload) => report_panic(core, "Exception in a destructor or waker", payload),
            }
        }
    })
}

/// Tells the exception handler of a panic.
fn report_panic(core: &Rc<LoopCore>, message: &str, payload: Box<dyn Any + Send>) {
    core.call_exception_handler(&ExceptionContext {
        message: message.to_owned(),
        exception: Some(Error::new(Panicked::new(payload))),
        future: None,
        handle: None,
    });
}

fn rounds(core: &Rc<LoopCore>) -> Result<()> {
    core.until_sample.set(0);
    loop {
        let idle = core.ready.borrow().is_empty() && !core.stopping.get() && !take_in(core);
        if idle {
            wait(core)?;
            core.until_sample.set(0);
        }
        take_in(core);
        if core.until_sample.get() == 0 {
            core.until_sample.set(core.sample_every);
            if !idle && core.reactor.is_watching() {
                core.reactor.wait(Some(Duration::ZERO))?;
            }
            ready_timers(core);
        }
        core.until_sample.set(core.until_sample.get() - 1);
        run_ready(core);
        if core.stopping.get() {
            return core.stopped();
        }
    }
}

/// A job that another thread handed in.
struct Mail {
    job: Cell<Option<Box<dyn FnOnce() + Send>>>,
    core: Weak<LoopCore>,
}

impl Runnable for Mail {
    fn run(self: Rc<Self>, _: &Rc<LoopCore>) {
        let Some(job) = self.job.take() else { return };
        if let (Err(payload), Some(core)) = (catch_unwind(AssertUnwindSafe(job)), self.core.upgrade()) {
            report_panic(&core, "Exception in a callback from another thread", payload);
        }
    }

    fn describe(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<Handle from another thread>")
    }
}

/// Moves what came from other threads, signals, and what is known to be ready, to the ready queue. Whether there was
/// anything.
#[inline]
fn take_in(core: &Rc<LoopCore>) -> bool {
    core.doors.notifier.take_news() && take_in_news(core)
}

#[cold]
fn take_in_news(core: &Rc<LoopCore>) -> bool {
    let jobs = core.doors.collect();
    let any = !jobs.is_empty() | core.take_signals();
    for job in jobs {
        core.push(Rc::new(Mail { job: Cell::new(Some(job)), core: Rc::downgrade(core) }));
    }
    let any = core.reactor.tell_known() || any;
    let hook = core.interrupt_hook.borrow().clone();
    match hook {
        Some(hook) if core.doors.interrupts.swap(0, Ordering::SeqCst) > 0 => {
            hook();
            true
        }
        _ => any,
    }
}

/// Waits for the next timer, or for the outside.
fn wait(core: &Rc<LoopCore>) -> Result<()> {
    let outside = core.held.get() > 0 || core.jobs.get() > core.doors.blocked.load(Ordering::SeqCst);
    let watching = core.reactor.is_watching();
    let timeout = match next_timer(core) {
        Some(when) if !core.clock.is_virtual() => Some(when.saturating_sub(core.clock.now())),
        Some(when) if !outside => {
            if !watching || !look_outside(core, when)? {
                core.clock.advance_to(when);
            }
            return Ok(());
        }
        Some(_) => None,
        None if outside || watching => None,
        None => {
            check_deadlock(core)?;
            None
        }
    };
    if timeout.is_none_or(|timeout| timeout >= LONG_WAIT) {
        stack::idle();
        core.ready.borrow_mut().trim();
    }
    Ok(core.reactor.wait(timeout)?)
}

/// Whether anything comes from outside before a virtual clock may jump to `when`.
fn look_outside(core: &Rc<LoopCore>, when: Duration) -> Result<bool> {
    let came = |limit| -> Result<bool> {
        let start = Instant::now();
        core.reactor.wait(Some(limit))?;
        // A wait that was interrupted, or ended by what concerns nobody, has shown nothing yet.
        Ok(take_in(core) || !core.ready.borrow().is_empty() || start.elapsed() < limit)
    };
    Ok(came(Duration::ZERO)?
        || match core.reactor.hold() {
            Hold::Nothing => false,
            Hold::RealTime => came(when.saturating_sub(core.clock.now()))?,
            _ => came(MOMENT)?,
        })
}

/// The earliest timer that was not cancelled; those before it are dropped.
fn next_timer(core: &LoopCore) -> Option<Duration> {
    loop {
        let mut timers = core.timers.borrow_mut();
        if !timers.peek()?.is_cancelled() {
            return timers.next_time();
        }
        let gone = timers.pop();
        timers.note_gone();
        drop(timers);
        drop(gone);
    }
}

fn ready_timers(core: &LoopCore) {
    if core.timers.borrow().next_time().is_none() {
        return;
    }
    let now = core.clock.now();
    loop {
        let mut timers = core.timers.borrow_mut();
        let Some(item) = timers.pop_due(now) else { return };
        if item.is_cancelled() {
            timers.note_gone();
            drop(timers);
            drop(item);
        } else {
            core.ready.borrow_mut().push(item);
        }
    }
}

/// Runs exactly the entries that are ready now; what they add comes in the next round.
#[inline(always)]
fn run_ready(core: &Rc<LoopCore>) {
    let mut ready = core.ready.borrow_mut();
    match ready.len() {
        0 => {}
        1 => {
            let item = ready.take_only();
            drop(ready);
            if let Some(item) = item {
                run_one(core, item);
            }
        }
        _ => {
            let round = ready.take_round();
            drop(ready);
            run_all(core, round);
        }
    }
}

fn run_all(core: &Rc<LoopCore>, round: Round) {
    /// Those that were not run, since one of them broke out of the loop or panicked, go back.
    struct Left<'a>(Round, &'a LoopCore);
    impl Drop for Left<'_> {
        fn drop(&mut self) {
            self.1.ready.borrow_mut().give_back(std::mem::take(&mut self.0));
        }
    }
    let mut left = Left(round, core);
    if let Some(seed) = core.seed.get() {
        core.seed.set(Some(shuffle(left.0.left(), seed)));
    }
    let prefetches = are_many();
    while let Some(item) = left.0.next() {
        if prefetches {
            left.0.prefetch();
        }
        run_one(core, item);
        if core.broken.get() {
            break;
        }
    }
}

#[inline(always)]
fn run_one(core: &Rc<LoopCore>, item: Rc<dyn Runnable>) {
    match core.debug.get() {
        true => run_timed(core, item),
        false => item.run(core),
    }
}

/// Runs one entry, and reports it if it held the loop up.
fn run_timed(core: &Rc<LoopCore>, item: Rc<dyn Runnable>) {
    struct Text<'a>(&'a dyn Runnable);
    impl std::fmt::Display for Text<'_> {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            self.0.describe(f)
        }
    }
    let started = core.clock.now();
    Rc::clone(&item).run(core);
    let took = core.clock.now().saturating_sub(started);
    if took >= core.slow_callback_duration.get() {
        report::warning(format_args!("Executing {} took {:.3} seconds", Text(&*item), took.as_secs_f64()));
    }
}

/// Permutes the tasks of each stretch without a callback in it: asyncio promises the order of callbacks, and who schedules
/// one before a task may rely on that. Gives the next seed.
fn shuffle(items: &mut [Option<Rc<dyn Runnable>>], seed: u64) -> u64 {
    let is_task = |item: &Option<Rc<dyn Runnable>>| item.as_ref().is_some_and(|item| item.is_task());
    items
        .chunk_by_mut(|one, next| is_task(one) && is_task(next))
        .fold(seed, |seed, tasks| permute(tasks, seed))
}

/// Fisher and Yates, with numbers from SplitMix64. Gives the next seed.
fn permute<T>(items: &mut [T], mut seed: u64) -> u64 {
    for last in (1..items.len()).rev() {
        seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = seed;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        let below = last as u64 + 1;
        items.swap(last, usize::try_from(mixed % below).unwrap_or(0));
    }
    seed
}

/// Nothing is ready, no timer is set and no job runs: unless somebody holds a door, nothing will ever happen.
fn check_deadlock(core: &Rc<LoopCore>) -> Result<()> {
    let own = core.own_doors() + idle_slots(&core.doors);
    let doors = Arc::strong_count(&core.doors).saturating_sub(own);
    let tasks = tasks_of(core);
    if doors == 0 {
        // Somebody may have let go of a door just now, after using it: what that one did before is seen then.
        std::sync::atomic::fence(Ordering::Acquire);
        return match core.doors.notifier.has_news() {
            true => Ok(()),
            false => Err(Deadlock::new(&tasks).into()),
        };
    }
    if core.debug.get() {
        let mut text = format!(
            "the loop is idle and could only be woken by {doors} handles of other threads or signals;"
        );
        for task in tasks {
            // Writing to a String cannot fail.
            let _ = write!(text, "\n  {task:?}");
        }
        report::debug(text);
    }
    Ok(())
}
