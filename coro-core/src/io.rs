//! [`Io`]: a socket or pipe whose operations suspend the task where std's would block the thread.
//!
//! Floor: below the library, above tasks. What an operation is, `net/` and `process.rs` say; here is when it is tried,
//! and who waits how.
//!
//! 1. The system call comes first; only one that would block waits. A side that is known to be blocked is not tried.
//! 2. Nothing is awaited after a system call has moved bytes: a cancellation loses none.
//! 3. On a loop's thread, outside of a task, what would block is an error. Where no loop runs, the thread blocks.
//! 4. Who never has to wait gives way all the same, once in a while, before an operation.
//! 5. Who waits is served before who comes later.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context as PollContext, Poll, Waker};
use std::time::{Duration, Instant};

use crate::coroutine::suspend;
use crate::error::Error;
use crate::events::{AnyFuture, LoopCore, OPERATIONS, Runnable, Waitable, Wakeup, running_core};
use crate::fiber::{Awaited, has_driver};
pub(crate) use crate::reactor::{Endpoint, Hold, Side};
use crate::reactor::{PolledSource, Slot, Socket, Source, block_until_ready};
use crate::waker::KeptWaker;

/// How many bytes one system call moves at most.
const AT_ONCE: usize = 0x7fff_f000;

/// A socket, pipe or the like, whose operations suspend.
pub(crate) struct Io<T: Endpoint> {
    socket: Socket<T>,
    /// How long an operation of each side may wait, in nanoseconds; 0 stands for no limit.
    limits: [AtomicU64; 2],
}

impl<T: Endpoint> Io<T> {
    /// Takes `io`, which must not block.
    pub(crate) fn new(io: T) -> Self {
        let socket = Socket::new(io);
        if let Ok(core) = running_core() {
            // What it means is asked again when it is waited for.
            let _ = socket.list(&core.reactor);
        }
        Self { socket, limits: Default::default() }
    }

    pub(crate) fn get(&self) -> &T {
        self.socket.get()
    }

    /// What it was made of. It does not block still.
    pub(crate) fn into_inner(self) -> T {
        self.socket.into_inner()
    }

    /// Closes it under all who use it: their operations end with an error, and so do later ones.
    pub(crate) fn close(&self) -> io::Result<()> {
        self.socket.close()
    }

    /// How long an operation of `side` may wait.
    pub(crate) fn limit(&self, side: Side) -> Option<Duration> {
        match self.limits[side as usize].load(Ordering::Relaxed) {
            0 => None,
            nanoseconds => Some(Duration::from_nanos(nanoseconds)),
        }
    }

    /// Sets how long an operation of `side` may wait.
    ///
    /// # Errors
    /// A limit of zero is refused, as std does.
    pub(crate) fn set_limit(&self, side: Side, limit: Option<Duration>) -> io::Result<()> {
        let nanoseconds = match limit {
            Some(Duration::ZERO) => {
                let message = "a timeout of zero cannot be set: expected a duration above zero, or None";
                return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
            }
            Some(limit) => u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX),
            None => 0,
        };
        self.limits[side as usize].store(nanoseconds, Ordering::Relaxed);
        Ok(())
    }

    /// Whether moving `moved` bytes of `wanted` may tell that the next system call would block. The end of a stream does
    /// not: it can be read again and again.
    #[inline]
    fn is_short(wanted: usize, moved: usize) -> bool {
        0 < moved && moved < wanted.min(AT_ONCE)
    }

    /// Reads or writes: `operation` gives how many bytes of `wanted` it moved.
    #[inline]
    pub(crate) fn transfer(
        &self,
        side: Side,
        wanted: usize,
        operation: impl FnMut(&T) -> io::Result<usize>,
    ) -> io::Result<usize> {
        self.run(side, operation, |moved| Self::is_short(wanted, *moved))
    }

    /// Does `operation`, each time anew when it would have blocked and `side` is ready. `short` tells whether it
    /// moved less than was asked for.
    #[inline]
    pub(crate) fn run<R>(
        &self,
        side: Side,
        mut operation: impl FnMut(&T) -> io::Result<R>,
        short: impl Fn(&R) -> bool,
    ) -> io::Result<R> {
        let Ok(core) = running_core() else { return self.block(side, operation) };
        match core.operations_left.get() {
            0 => give_way(&core)?,
            left => core.operations_left.set(left - 1),
        }
        let (mut waiting, mut started) = (None, None);
        loop {
            let slot = self.socket.slot(&core.reactor);
            let may_try = |slot: &Rc<Slot>| slot.is_ready(side) && (waiting.is_some() || slot.is_free(side));
            if slot.as_ref().is_none_or(may_try) {
                match operation(self.get()) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        if let Some(slot) = &slot {
                            slot.set_blocked(side);
                        }
                    }
                    Err(error) => return Err(self.closed_or(error)),
                    Ok(result) => {
                        if let Some(slot) = slot.filter(|_| short(&result)) {
                            slot.note_short(side);
                        }
                        return Ok(result);
                    }
                }
            }
            if !has_driver() {
                // What an event would tell has not been collected yet, perhaps.
                return match operation(self.get()) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(refused()),
                    result => result.map_err(|error| self.closed_or(error)),
                };
            }
            self.wait(&core, side, &mut waiting, &mut started)?;
        }
    }

    /// Does `operation` where no loop runs: the thread blocks, as std's would.
    #[cold]
    fn block<R>(&self, side: Side, mut operation: impl FnMut(&T) -> io::Result<R>) -> io::Result<R> {
        let started = Instant::now();
        loop {
            match operation(self.get()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return result.map_err(|error| self.closed_or(error)),
            }
            self.check_open()?;
            let left = self.limit(side).map(|limit| limit.saturating_sub(started.elapsed()));
            if !block_until_ready(self.get(), side, left)? {
                return Err(timed_out());
            }
        }
    }

    fn check_open(&self) -> io::Result<()> {
        match self.socket.is_closed() {
            true => Err(closed()),
            false => Ok(()),
        }
    }

    /// What a system call says of a socket that was closed under it is of no interest.
    #[cold]
    fn closed_or(&self, error: io::Error) -> io::Error {
        if self.socket.is_closed() { closed() } else { error }
    }

    /// Waits until `side` is ready, or nearly so: who comes back tries again.
    fn wait(
        &self,
        core: &Rc<LoopCore>,
        side: Side,
        place: &mut Option<Waiting>,
        started: &mut Option<Duration>,
    ) -> io::Result<()> {
        self.check_open()?;
        let robbed = place.as_ref().is_some_and(|_| self.socket.slot(&core.reactor).is_none());
        let slot = self.socket.settle(&core.reactor, robbed)?;
        if place.as_ref().is_some_and(|waiting| !Rc::ptr_eq(&waiting.slot, &slot)) {
            *place = None;
        }
        if slot.is_ready(side) && (place.is_some() || slot.is_free(side)) {
            return Ok(());
        }
        let waiting = match place {
            Some(waiting) => {
                waiting.renew();
                waiting
            }
            None => place.insert(Waiting::begin(core, &slot, side, true)),
        };
        self.socket.arm(&core.reactor, &slot)?;
        core.operations_left.set(OPERATIONS);
        let timer = match self.limit(side) {
            None => None,
            Some(limit) => {
                let started = *started.get_or_insert_with(|| core.clock.now());
                Some(Timer::begin(core, &waiting.wakeup, started.saturating_add(limit)))
            }
        };
        let result = suspend(Awaited::Future(AnyFuture(Rc::clone(&waiting.wakeup) as Rc<dyn Waitable>)));
        drop(timer);
        result.map_err(|error| if is_time_out(&error) { timed_out() } else { error.into() })?;
        // The other thread that closed it has woken this task.
        self.check_open()
    }

    /// [`transfer`](Self::transfer), polled.
    pub(crate) fn poll_transfer(
        &self,
        context: &mut PollContext<'_>,
        side: Side,
        wanted: usize,
        operation: impl FnMut(&T) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        self.poll(context, side, operation, |moved| Self::is_short(wanted, *moved))
    }

    /// Polls: does `operation`, and has the present task woken when `side` is ready if it would block.
    pub(crate) fn poll<R>(
        &self,
        context: &mut PollContext<'_>,
        side: Side,
        mut operation: impl FnMut(&T) -> io::Result<R>,
        short: impl Fn(&R) -> bool,
    ) -> Poll<io::Result<R>> {
        let core = match running_core() {
            Ok(core) => core,
            Err(error) => return Poll::Ready(Err(error.into())),
        };
        match core.operations_left.get() {
            0 => {
                core.operations_left.set(OPERATIONS);
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            left => core.operations_left.set(left - 1),
        }
        loop {
            let slot = match self.socket.settle(&core.reactor, false) {
                Ok(slot) => slot,
                Err(error) => return Poll::Ready(Err(self.closed_or(error))),
            };
            if slot.is_ready(side) {
                match operation(self.get()) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => slot.set_blocked(side),
                    Err(error) => return Poll::Ready(Err(self.closed_or(error))),
                    Ok(result) => {
                        if short(&result) {
                            slot.note_short(side);
                        }
                        return Poll::Ready(Ok(result));
                    }
                }
            }
            if let Err(error) = self.check_open() {
                return Poll::Ready(Err(error));
            }
            slot.set_polled(side, context.waker(), || Polled::source(&core));
            return match self.socket.arm(&core.reactor, &slot) {
                Ok(()) => Poll::Pending,
                Err(error) => Poll::Ready(Err(error)),
            };
        }
    }

    /// Runs `callback` once when `side` is ready, in a round that finds it so: the next one at the earliest, after what
    /// is ready by then. Dropping what this gives takes it back.
    pub(crate) fn when_ready(
        &self,
        core: &Rc<LoopCore>,
        side: Side,
        callback: Rc<dyn Runnable>,
    ) -> io::Result<Armed> {
        self.check_open()?;
        let slot = self.socket.settle(&core.reactor, false)?;
        let waiting = Waiting::begin(core, &slot, side, false);
        waiting.wakeup.add_waiter(callback);
        match slot.is_ready(side) {
            true => core.reactor.tell_soon(&slot, side),
            false => self.socket.arm(&core.reactor, &slot)?,
        }
        Ok(Armed { waiting })
    }

    /// Tells that there is another end now.
    pub(crate) fn note_connected(&self) {
        if let Ok(core) = running_core() {
            self.socket.note_connected(&core.reactor);
        }
    }

    /// Tells that a system call for `side` would have blocked, or moved less than it was asked for.
    pub(crate) fn note_blocked(&self, core: &LoopCore, side: Side, short: bool) {
        match self.socket.slot(&core.reactor) {
            Some(slot) if short => slot.note_short(side),
            Some(slot) => slot.set_blocked(side),
            None => {}
        }
    }
}

impl<T: Endpoint + fmt::Debug> fmt::Debug for Io<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

/// Lets the others run, if this is a place where that can be.
#[cold]
fn give_way(core: &LoopCore) -> io::Result<()> {
    core.operations_left.set(OPERATIONS);
    match has_driver() {
        true => Ok(suspend(Awaited::Yield).map(drop)?),
        false => Ok(()),
    }
}

pub(crate) fn timed_out() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the operation took longer than the timeout of the socket")
}

/// Whether it is what a wait fails with, which names no socket yet.
fn is_time_out(error: &Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
}

fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "the socket was closed")
}

/// What a wait says where nothing can wait.
#[cold]
fn refused() -> io::Error {
    match suspend(Awaited::Yield) {
        Err(error) => error.into(),
        Ok(_) => io::ErrorKind::WouldBlock.into(),
    }
}

/// A wake-up that stands in a slot until this is dropped.
struct Waiting {
    core: Rc<LoopCore>,
    slot: Rc<Slot>,
    side: Side,
    wakeup: Rc<Wakeup>,
}

impl Waiting {
    fn begin(core: &Rc<LoopCore>, slot: &Rc<Slot>, side: Side, turns: bool) -> Self {
        let wakeup = Wakeup::new(core);
        slot.add(side, Rc::clone(&wakeup) as Rc<dyn Source>, turns);
        Self { core: Rc::clone(core), slot: Rc::clone(slot), side, wakeup }
    }

    /// Waits anew, in the same place.
    fn renew(&mut self) {
        let wakeup = Wakeup::new(&self.core);
        let old = std::mem::replace(&mut self.wakeup, wakeup);
        let source = Rc::clone(&self.wakeup) as Rc<dyn Source>;
        self.slot.renew(self.side, Rc::as_ptr(&old) as *const dyn Source, source);
        old.give_back();
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.slot.remove(self.side, Rc::as_ptr(&self.wakeup) as *const dyn Source);
        self.wakeup.give_back();
    }
}

/// A callback that has not run yet.
pub(crate) struct Armed {
    waiting: Waiting,
}

impl Armed {
    /// Whether the callback is in the ready queue, and cannot be taken back any more.
    pub(crate) fn has_fired(&self) -> bool {
        self.waiting.wakeup.is_done()
    }
}

/// Ends a wait that takes too long.
struct Timer {
    core: Rc<LoopCore>,
    expiry: Rc<Expiry>,
}

struct Expiry {
    wakeup: Cell<Option<Rc<Wakeup>>>,
    fired: Cell<bool>,
}

impl Timer {
    fn begin(core: &Rc<LoopCore>, wakeup: &Rc<Wakeup>, end: Duration) -> Self {
        let wakeup = Cell::new(Some(Rc::clone(wakeup)));
        let expiry = Rc::new(Expiry { wakeup, fired: Cell::new(false) });
        core.push_timer(end, Rc::clone(&expiry) as Rc<dyn Runnable>);
        Self { core: Rc::clone(core), expiry }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        let wakeup = self.expiry.wakeup.take();
        if wakeup.is_some() && !self.expiry.fired.get() {
            self.core.note_timer_cancelled();
        }
    }
}

impl Runnable for Expiry {
    fn run(self: Rc<Self>, _: &Rc<LoopCore>) {
        self.fired.set(true);
        if let Some(wakeup) = self.wakeup.take() {
            wakeup.fail(Error::from(timed_out()));
        }
    }

    fn is_cancelled(&self) -> bool {
        let wakeup = self.wakeup.take();
        let cancelled = wakeup.is_none();
        self.wakeup.set(wakeup);
        cancelled
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<timeout of a socket>")
    }
}

/// Wakes the one who polled last.
struct Polled {
    waker: Cell<Option<KeptWaker>>,
    core: std::rc::Weak<LoopCore>,
}

impl Polled {
    fn source(core: &Rc<LoopCore>) -> Rc<dyn PolledSource> {
        Rc::new(Self { waker: Cell::new(None), core: Rc::downgrade(core) })
    }
}

impl Source for Polled {
    fn ready(self: Rc<Self>) {
        let Some(Err(waker)) = self.waker.take().map(KeptWaker::wake_own) else { return };
        // A waker of the user: it runs from the ready queue.
        self.waker.set(Some(waker));
        if let Some(core) = self.core.upgrade() {
            core.push(self);
        }
    }
}

impl PolledSource for Polled {
    fn renew(&self, waker: &Waker) {
        let old = self.waker.replace(Some(KeptWaker::new(waker)));
        drop(old);
    }
}

impl Runnable for Polled {
    fn run(self: Rc<Self>, _: &Rc<LoopCore>) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Waker::wake()")
    }
}
