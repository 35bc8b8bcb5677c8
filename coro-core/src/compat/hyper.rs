//! [hyper](https://docs.rs/hyper) 1 on this loop: its traits of `hyper::rt`, for the feature `hyper`.
//!
//! [`HyperIo`] goes around a stream, [`HyperTimer`] and [`HyperExecutor`] are given to hyper's builders. What hyper then
//! returns is a std future: awaited, or made into a task. With the feature `http2` of hyper [`HyperExecutor`] serves
//! that too.
//!
//! ```
//! use coro_core::{compat::hyper::HyperIo, net::TcpStream, prelude::*};
//! # let listener = coro_core::net::TcpListener::bind("127.0.0.1:0")?;
//! coro_core::run(coroutine(|| {
//!     let stream = TcpStream::connect(listener.local_addr()?)?;
//!     let _for_hyper = HyperIo::new(stream); // such as hyper::client::conn::http1::handshake(..)
//!     Ok(())
//! }))?;
//! # Ok::<(), Error>(())
//! ```

use std::cell::{Cell, RefCell};
use std::future::Future as StdFuture;
use std::io::{self, IoSlice};
use std::mem;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use std::task::{Context as PollContext, Poll, ready};
use std::time::{Duration, Instant};

use futures_io::{AsyncRead, AsyncWrite};
use hyper::rt::{Executor, Read, ReadBufCursor, Sleep, Timer, Write};
use parking_lot::Mutex;

use crate::clock::Clock;
use crate::events::{LoopCore, Runnable, running_core, with_running};
use crate::task::create_task;
use crate::waker::KeptWaker;

/// How much is read at once.
const CHUNK: usize = 8 * 1024;

/// Up to so many bytes in several pieces are copied into one: that costs less than what the system does for several.
const SHORT: usize = 2 * 1024;

/// Calls `f` with memory that is initialised, which hyper's need not be. A buffer for each read would be zeroed each time.
#[inline]
fn with_scratch<R>(f: impl FnOnce(&mut [u8]) -> R) -> R {
    thread_local!(static SCRATCH: Cell<Option<Box<[u8]>>> = const { Cell::new(None) });
    // Taken out: a stream may read from another one. At the end of the thread there is none to keep.
    let kept = SCRATCH.try_with(Cell::take).ok().flatten();
    let mut scratch = kept.unwrap_or_else(|| vec![0; CHUNK].into());
    let result = f(&mut scratch);
    let _ = SCRATCH.try_with(|kept| kept.set(Some(scratch)));
    result
}

/// A stream, for hyper: whatever is `futures_io::{AsyncRead, AsyncWrite}`, such as the sockets of
/// `coro_core::net`.
///
/// ```
/// use coro_core::{compat::hyper::HyperIo, prelude::*};
/// # #[cfg(unix)] {
/// let (stream, _) = coro_core::net::UnixStream::pair()?;
/// let stream = HyperIo::new(stream).into_inner();
/// # }
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug)]
pub struct HyperIo<T>(T);

impl<T> HyperIo<T> {
    /// Wraps a stream.
    ///
    /// ```
    /// # use coro_core::{compat::hyper::HyperIo, prelude::*};
    /// # #[cfg(unix)] {
    /// let stream = HyperIo::new(coro_core::net::UnixStream::pair()?.0);
    /// # }
    /// # Ok::<(), Error>(())
    /// ```
    pub fn new(stream: T) -> Self {
        Self(stream)
    }

    /// The stream, such as after an upgrade.
    ///
    /// ```
    /// # use coro_core::compat::hyper::HyperIo;
    /// assert_eq!(HyperIo::new("any").into_inner(), "any");
    /// ```
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T: AsyncRead + Unpin> Read for HyperIo<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut PollContext<'_>,
        mut cursor: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        with_scratch(|buffer| {
            let room = cursor.remaining().min(CHUNK);
            let read = ready!(Pin::new(&mut self.0).poll_read(context, &mut buffer[..room]))?;
            cursor.put_slice(&buffer[..read]);
            Poll::Ready(Ok(()))
        })
    }
}

impl<T: AsyncWrite + Unpin> Write for HyperIo<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut PollContext<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut PollContext<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut PollContext<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_close(context)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut PollContext<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length: usize = buffers.iter().map(|buffer| buffer.len()).sum();
        if buffers.len() < 2 || length > SHORT {
            return Pin::new(&mut self.0).poll_write_vectored(context, buffers);
        }
        with_scratch(|scratch| {
            let mut end = 0;
            for buffer in buffers {
                scratch[end..end + buffer.len()].copy_from_slice(buffer);
                end += buffer.len();
            }
            Pin::new(&mut self.0).poll_write(context, &scratch[..end])
        })
    }
}

/// Runs hyper's background work as tasks of the running loop.
///
/// ```
/// use coro_core::{compat::hyper::HyperExecutor, prelude::*};
/// use hyper::rt::Executor;
/// coro_core::run(coroutine(|| {
///     let (said, heard) = coro_core::oneshot::channel();
///     HyperExecutor.execute(async move { said.send("eggs") });
///     assert_eq!(heard.co_await()?, "eggs");
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct HyperExecutor;

impl<F> Executor<F> for HyperExecutor
where
    F: StdFuture + 'static,
    F::Output: 'static,
{
    fn execute(&self, future: F) {
        drop(create_task(future));
    }
}

/// hyper's time limits by the clock of the running loop, a virtual one too.
///
/// # Panics
/// A sleep that is polled where no loop runs.
///
/// ```
/// use coro_core::{compat::hyper::HyperTimer, prelude::*};
/// use hyper::rt::Timer;
/// coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
///     HyperTimer.sleep(secs(60)).co_await()?;
///     assert_eq!(get_running_loop()?.time(), secs(60));
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct HyperTimer;

impl Timer for HyperTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(Nap { deadline, alarm: None })
    }

    fn now(&self) -> Instant {
        let now = |core: &Rc<LoopCore>| match &core.clock {
            Clock::Monotonic(_) => Instant::now(),
            Clock::Virtual(now) => virtual_origin() + now.get(),
        };
        with_running(now).unwrap_or_else(|_| Instant::now())
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn Sleep>>, new_deadline: Instant) {
        match sleep.as_mut().downcast_mut_pin::<Nap>() {
            Some(mut nap) => nap.reset(new_deadline),
            None => *sleep = self.sleep_until(new_deadline),
        }
    }
}

/// The instant at which virtual clocks show zero.
fn virtual_origin() -> Instant {
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    *ORIGIN.get_or_init(Instant::now)
}

/// An instant, by the clock of a loop.
fn moment(core: &LoopCore, instant: Instant) -> Duration {
    instant.saturating_duration_since(match core.clock {
        Clock::Monotonic(origin) => origin,
        Clock::Virtual(_) => virtual_origin(),
    })
}

/// hyper wants a sleep that can be sent. It is an alarm of the loop that polls it.
struct Nap {
    deadline: Instant,
    alarm: Option<Arc<Alarm>>,
}

/// A timer of a loop, for one nap after the other: a server begins a nap with each request, and drops it long before
/// its time. The entry in the loop's queue stays meanwhile; when it comes up too early for the nap of then, it is put
/// where it belongs.
struct Alarm {
    /// The address of the loop's core: who has an entry there is told from the alarms of all other loops.
    core: usize,
    state: Mutex<AlarmState>,
}

struct AlarmState {
    /// When the entry comes up.
    entry: Duration,
    stage: Stage,
}

enum Stage {
    /// It is to ring for a nap, not before the entry comes up.
    Set {
        when: Duration,
        waker: KeptWaker,
    },
    Unused,
    Rang,
    /// The entry went with its loop, or while it was of no use.
    Lost,
}

/// So many alarms that are not in use are kept for the next nap.
const KEPT: usize = 1024;

thread_local! {
    /// Alarms that are not in use, of this thread's loops.
    static UNUSED: RefCell<Vec<Arc<Alarm>>> = const { RefCell::new(Vec::new()) };
}

fn address(core: &Rc<LoopCore>) -> usize {
    Rc::as_ptr(core).addr()
}

impl Alarm {
    /// One that will ring at `when`.
    fn set(core: &Rc<LoopCore>, when: Duration, waker: KeptWaker) -> Arc<Self> {
        while let Ok(Some(alarm)) = UNUSED.try_with(|unused| unused.borrow_mut().pop()) {
            let mut state = alarm.state.lock();
            if alarm.core != address(core) || !matches!(state.stage, Stage::Unused) {
                continue; // of no use to anybody any more
            }
            if state.entry > when {
                drop(state);
                alarm.keep();
                break;
            }
            state.stage = Stage::Set { when, waker };
            drop(state);
            core.timers.borrow_mut().note_gone();
            return alarm;
        }
        let state = Mutex::new(AlarmState { entry: when, stage: Stage::Set { when, waker } });
        let alarm = Arc::new(Self { core: address(core), state });
        core.push_timer(when, Rc::new(Ring(Arc::clone(&alarm))));
        alarm
    }

    /// Has it ring at `moment`, if its entry serves for that.
    fn postpone(&self, moment: Duration, exact: bool) -> bool {
        let mut state = self.state.lock();
        let entry = state.entry;
        match &mut state.stage {
            Stage::Set { when, .. } if entry == moment || entry < moment && !exact => {
                *when = moment;
                true
            }
            _ => false,
        }
    }

    /// Its loop, if that is the one that runs.
    fn running_core(&self) -> Option<Rc<LoopCore>> {
        with_running(|core| (address(core) == self.core).then(|| Rc::clone(core))).ok()?
    }

    /// Keeps it for the next nap.
    fn keep(self: Arc<Self>) {
        let _ = UNUSED.try_with(|unused| {
            let mut unused = unused.borrow_mut();
            if unused.len() < KEPT {
                unused.push(self);
            }
        });
    }

    /// Takes it from its nap, with whom it was to wake.
    fn release(self: Arc<Self>) -> Option<KeptWaker> {
        let mut state = self.state.lock();
        let waker = match mem::replace(&mut state.stage, Stage::Unused) {
            Stage::Set { waker, .. } => waker,
            over => {
                state.stage = over;
                return None;
            }
        };
        drop(state);
        // Elsewhere the entry is dropped when it comes up.
        if let Some(core) = self.running_core() {
            // A virtual clock is exact: it does not stop where nothing is due, and one moment keeps its order.
            if !core.clock.is_virtual() {
                self.keep();
            }
            core.note_timer_cancelled();
        }
        Some(waker)
    }
}

/// The entry of an alarm.
struct Ring(Arc<Alarm>);

impl Runnable for Ring {
    fn run(self: Rc<Self>, core: &Rc<LoopCore>) {
        let mut state = self.0.state.lock();
        match mem::replace(&mut state.stage, Stage::Rang) {
            Stage::Set { when, waker } if when > state.entry => {
                *state = AlarmState { entry: when, stage: Stage::Set { when, waker } };
                drop(state);
                core.push_timer(when, self);
            }
            Stage::Set { waker, .. } => {
                drop(state);
                waker.wake();
            }
            other => state.stage = other,
        }
    }

    fn is_cancelled(&self) -> bool {
        !matches!(self.0.state.lock().stage, Stage::Set { .. })
    }

    fn describe(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<timer of hyper>")
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        if !matches!(state.stage, Stage::Rang) {
            let old = mem::replace(&mut state.stage, Stage::Lost);
            drop(state);
            drop(old); // its waker is the user's, perhaps
        }
    }
}

impl Nap {
    /// Has it end at `deadline`, and tell whom it would have told.
    fn reset(&mut self, deadline: Instant) {
        self.deadline = deadline;
        let Some(alarm) = self.alarm.take() else { return };
        let Some(core) = alarm.running_core() else { return drop(alarm.release()) };
        let moment = moment(&core, deadline);
        self.alarm = match alarm.postpone(moment, core.clock.is_virtual()) {
            true => Some(alarm),
            false => alarm.release().map(|waker| Alarm::set(&core, moment, waker)),
        };
    }
}

impl StdFuture for Nap {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut PollContext<'_>) -> Poll<()> {
        let core = running_core().expect("a sleep of hyper was polled where no loop runs");
        let waker = KeptWaker::new(context.waker());
        if let Some(alarm) = self.alarm.take_if(|alarm| alarm.core != address(&core)) {
            drop(alarm.release());
        }
        if let Some(alarm) = &self.alarm {
            let mut state = alarm.state.lock();
            match &mut state.stage {
                Stage::Set { waker: old, .. } => {
                    let old = mem::replace(old, waker);
                    drop(state);
                    drop(old); // the user's, perhaps
                    return Poll::Pending;
                }
                Stage::Rang => return Poll::Ready(()),
                Stage::Unused | Stage::Lost => {}
            }
        }
        self.alarm = Some(Alarm::set(&core, moment(&core, self.deadline), waker));
        Poll::Pending
    }
}

impl Sleep for Nap {}

impl Drop for Nap {
    fn drop(&mut self) {
        drop(self.alarm.take().and_then(Alarm::release));
    }
}
