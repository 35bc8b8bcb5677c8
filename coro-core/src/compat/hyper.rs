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

use std::cell::Cell;
use std::future::Future as StdFuture;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context as PollContext, Poll, Waker, ready};
use std::time::{Duration, Instant};

use futures_io::{AsyncRead, AsyncWrite};
use hyper::rt::{Executor, Read, ReadBufCursor, Sleep, Timer, Write};
use parking_lot::Mutex;

use crate::events::{LoopCore, Runnable, running_core};
use crate::task::create_task;

/// How much is read at once.
const CHUNK: usize = 8 * 1024;

/// Calls `f` with memory that is initialised, which hyper's need not be. A buffer for each read would be zeroed each time.
fn with_scratch<R>(f: impl FnOnce(&mut [u8]) -> R) -> R {
    thread_local!(static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) });
    // Taken out: a stream may read from another one. At the end of the thread there is none to keep.
    let mut scratch = SCRATCH.try_with(Cell::take).unwrap_or_default();
    scratch.resize(CHUNK, 0);
    let result = f(&mut scratch);
    let _ = SCRATCH.try_with(|kept| kept.set(scratch));
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
        Pin::new(&mut self.0).poll_write_vectored(context, buffers)
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
        running_core().map_or_else(|_| Instant::now(), |core| now(&core))
    }
}

/// A virtual clock, as an instant.
fn now(core: &LoopCore) -> Instant {
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    match core.clock.is_virtual() {
        true => *ORIGIN.get_or_init(Instant::now) + core.clock.now(),
        false => Instant::now(),
    }
}

/// hyper wants a sleep that can be sent. It is a timer of the loop that polls it.
struct Nap {
    deadline: Instant,
    alarm: Option<Arc<Alarm>>,
}

struct Alarm {
    /// The address of the loop's core, by which it is told from others.
    core: usize,
    over: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

struct Ring(Arc<Alarm>);

impl Runnable for Ring {
    fn run(self: Rc<Self>, _: &Rc<LoopCore>) {
        self.0.over.store(true, Ordering::SeqCst);
        let waker = self.0.waker.lock().take();
        waker.inspect(Waker::wake_by_ref);
    }

    fn is_cancelled(&self) -> bool {
        self.0.over.load(Ordering::SeqCst)
    }

    fn describe(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<timer of hyper>")
    }
}

fn address(core: &Rc<LoopCore>) -> usize {
    Rc::as_ptr(core).addr()
}

impl Nap {
    fn end(&mut self) {
        let Some(alarm) = self.alarm.take() else { return };
        if !alarm.over.swap(true, Ordering::SeqCst) {
            let waker = alarm.waker.lock().take();
            drop(waker);
            // Elsewhere the timer is dropped when it is due.
            if let Ok(core) = running_core()
                && address(&core) == alarm.core
            {
                core.note_timer_cancelled();
            }
        }
    }
}

impl StdFuture for Nap {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut PollContext<'_>) -> Poll<()> {
        let core = running_core().expect("a sleep of hyper was polled where no loop runs");
        let left = self.deadline.saturating_duration_since(now(&core));
        if left.is_zero() {
            self.end();
            return Poll::Ready(());
        }
        if let Some(alarm) = self.alarm.as_ref().filter(|alarm| alarm.core == address(&core)) {
            let waker = context.waker().clone();
            let old = alarm.waker.lock().replace(waker);
            drop(old);
            if !alarm.over.load(Ordering::SeqCst) {
                return Poll::Pending;
            }
        }
        // None, one of another loop, or one that rang too early.
        self.end();
        let waker = Mutex::new(Some(context.waker().clone()));
        let alarm = Arc::new(Alarm { core: address(&core), over: AtomicBool::new(false), waker });
        core.push_timer_after(left, Rc::new(Ring(Arc::clone(&alarm))));
        self.alarm = Some(alarm);
        Poll::Pending
    }
}

impl Sleep for Nap {}

impl Drop for Nap {
    fn drop(&mut self) {
        self.end();
    }
}
