//! Doors: how other threads reach a loop.

use std::fmt::{self, Debug};
use std::future::Future as StdFuture;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context as PollContext, Poll, Waker};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::coroutine::Awaitable;
use crate::error::{Elapsed, Error, Panicked, Result, RuntimeError};
use crate::events::{Doors, EventLoop};
use crate::task::{AnyTask, create_task};

/// A handle on a loop that other threads may hold; it is `Send`, `Sync` and can be cloned.
///
/// ```
/// use coro_core::prelude::*;
/// coro_core::run(coroutine(|| {
///     let handle = get_running_loop()?.handle();
///     let answer = to_thread(move || {
///         handle.run_coroutine_threadsafe(|| coroutine(|| { sleep(millis(1)).co_await()?; Ok(42) })).result(secs(5))
///     });
///     assert_eq!(answer.co_await()??, 42);
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone)]
pub struct LoopHandle {
    doors: Arc<Doors>,
}

impl EventLoop {
    /// A handle for other threads.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let handle: coro_core::LoopHandle = get_running_loop()?.handle();
    /// std::thread::spawn(move || handle.call_soon_threadsafe(|| ())).join().unwrap()?;
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn handle(&self) -> LoopHandle {
        LoopHandle { doors: Arc::clone(&self.core.doors) }
    }

    /// Runs `callback` in the next round; like [`LoopHandle::call_soon_threadsafe`], for who holds the loop.
    ///
    /// # Errors
    /// [`RuntimeError`] "Event loop is closed".
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let (said, heard) = std::sync::mpsc::channel();
    /// get_running_loop()?.call_soon_threadsafe(move || said.send("eggs").unwrap())?;
    /// sleep(secs(1)).co_await()?;
    /// assert_eq!(heard.recv().unwrap(), "eggs");
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn call_soon_threadsafe(&self, callback: impl FnOnce() + Send + 'static) -> Result<()> {
        self.handle().call_soon_threadsafe(callback)
    }
}

fn closed() -> Error {
    RuntimeError::new("Event loop is closed").into()
}

impl LoopHandle {
    /// Runs `callback` on the loop's thread, in its next round, and wakes the loop if it waits;
    /// `loop.call_soon_threadsafe(callback)`.
    ///
    /// # Errors
    /// [`RuntimeError`] "Event loop is closed"; the callback is dropped.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let (said, heard) = std::sync::mpsc::channel();
    /// let handle = get_running_loop()?.handle();
    /// to_thread(move || handle.call_soon_threadsafe(move || said.send("eggs").unwrap())).co_await()??;
    /// sleep(secs(1)).co_await()?;
    /// assert_eq!(heard.recv().unwrap(), "eggs");
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn call_soon_threadsafe(&self, callback: impl FnOnce() + Send + 'static) -> Result<()> {
        self.doors.send(Box::new(callback)).map_err(|_| closed())
    }

    /// Runs what `make` makes, as a task on the loop; `asyncio.run_coroutine_threadsafe()`.
    ///
    /// The coroutine is made on the loop's thread, since it cannot be sent. The result can be waited for by
    /// blocking, or awaited on any executor.
    ///
    /// # Errors
    /// When awaited: what the coroutine raises; [`Panicked`] if it or `make` panics; [`RuntimeError`] if the
    /// loop is closed first.
    ///
    /// # Cancellation
    /// Dropping the [`ThreadsafeFuture`] changes nothing; [`cancel`](ThreadsafeFuture::cancel) cancels the task.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let handle = get_running_loop()?.handle();
    /// let eggs = handle.run_coroutine_threadsafe(|| coroutine(|| { sleep(secs(1)).co_await()?; Ok(6) }));
    /// assert_eq!(eggs.co_await()??, 6); // it is a std future: any executor may await it
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn run_coroutine_threadsafe<M, A>(&self, make: M) -> ThreadsafeFuture<A::Output>
    where
        M: FnOnce() -> A + Send + 'static,
        A: Awaitable + 'static,
        A::Output: Send + 'static,
    {
        let blocked = Arc::clone(&self.doors.blocked);
        let shared = Arc::new(Shared { state: Mutex::default(), settled: Condvar::new(), blocked });
        // If the loop closes first, this guard is dropped with the callback and says so.
        let settle = Settle(Some(Arc::clone(&shared)));
        let started = self.doors.send(Box::new(move || {
            let awaitable = match catch_unwind(AssertUnwindSafe(make)) {
                Ok(awaitable) => awaitable,
                Err(payload) => return settle.settle(Err(Error::new(Panicked::new(payload)))),
            };
            let task = create_task(awaitable);
            let remote = Remote::new(task.any_task());
            if settle.note_started(remote.0) {
                task.cancel();
            }
            // Dropped uncalled if the loop is closed by force before the task has ended.
            task.add_done_callback(move |task| {
                drop(remote);
                settle.settle(task.take_result());
            });
        }));
        drop(started); // refused: dropping the job settles the future
        ThreadsafeFuture { shared, doors: Arc::clone(&self.doors), number: 0 }
    }
}

impl Debug for LoopHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<LoopHandle of {:?}>", self.doors.thread)
    }
}

thread_local! {
    /// The tasks of this thread that other threads asked for.
    static REMOTE: std::cell::RefCell<Vec<(u64, AnyTask)>> = const { std::cell::RefCell::new(Vec::new()) };
    static REMOTES: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// The entry of one task in `REMOTE`.
struct Remote(u64);

impl Remote {
    fn new(task: AnyTask) -> Self {
        let number = REMOTES.get() + 1;
        REMOTES.set(number);
        REMOTE.with_borrow_mut(|tasks| tasks.push((number, task)));
        Self(number)
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        let entry = REMOTE.try_with(|tasks| {
            let mut tasks = tasks.borrow_mut();
            let index = tasks.iter().position(|(number, _)| *number == self.0)?;
            Some(tasks.swap_remove(index))
        });
        drop(entry);
    }
}

struct Shared<T> {
    state: Mutex<State<T>>,
    settled: Condvar,
    /// How many threads block for results of the loop: a virtual clock need not wait for those.
    blocked: Arc<AtomicUsize>,
}

struct State<T> {
    result: Option<Result<T>>,
    done: bool,
    task: Option<u64>,
    cancel: bool,
    /// Of those who await it, each with the number of its handle.
    wakers: Vec<(u64, Waker)>,
    /// How many handles there were.
    handles: u64,
    /// Whether it was cancelled.
    cancelled: bool,
    /// Threads that block for this result, and are counted in `Shared::blocked`.
    blocking: usize,
}

impl<T> Default for State<T> {
    fn default() -> Self {
        Self {
            result: None,
            done: false,
            task: None,
            cancel: false,
            wakers: Vec::new(),
            handles: 0,
            cancelled: false,
            blocking: 0,
        }
    }
}

struct Settle<T>(Option<Arc<Shared<T>>>);

impl<T> Settle<T> {
    /// Whether it was cancelled before it started.
    fn note_started(&self, number: u64) -> bool {
        self.0.as_ref().is_some_and(|shared| {
            let mut state = shared.state.lock();
            state.task = Some(number);
            state.cancel
        })
    }

    fn settle(mut self, result: Result<T>) {
        self.settle_with(|| result);
    }

    fn settle_with(&mut self, result: impl FnOnce() -> Result<T>) {
        let Some(shared) = self.0.take() else { return };
        let result = result();
        let mut state = shared.state.lock();
        state.done = true;
        state.cancelled = result.as_ref().err().is_some_and(Error::is_cancelled);
        state.result = Some(result);
        // From now on those threads count as running, though they may wake up later.
        shared.blocked.fetch_sub(std::mem::take(&mut state.blocking), Ordering::SeqCst);
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        shared.settled.notify_all();
        wakers.into_iter().for_each(|(_, waker)| waker.wake());
    }
}

impl<T> Drop for Settle<T> {
    fn drop(&mut self) {
        self.settle_with(|| Err(closed()));
    }
}

/// The result of a coroutine that another thread's loop runs; `concurrent.futures.Future`.
///
/// A clone is another handle. The result is taken by the first who blocks for it or awaits it; who comes later gets an
/// error. [`wrap_future`](crate::wrap_future) makes a future of a loop of it.
///
/// ```
/// # use coro_core::prelude::*;
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// let handle = get_running_loop()?.handle();
/// let six = to_thread(move || {
///     let eggs: coro_core::ThreadsafeFuture<u32> = handle.run_coroutine_threadsafe(|| coroutine(|| Ok(6)));
///     eggs.result(secs(5)) // blocks this thread, not the loop
/// });
/// assert_eq!(six.co_await()??, 6);
/// # Ok(())
/// # })).unwrap();
/// ```
pub struct ThreadsafeFuture<T> {
    shared: Arc<Shared<T>>,
    doors: Arc<Doors>,
    number: u64,
}

impl<T> Clone for ThreadsafeFuture<T> {
    fn clone(&self) -> Self {
        let mut state = self.shared.state.lock();
        state.handles += 1;
        Self { shared: Arc::clone(&self.shared), doors: Arc::clone(&self.doors), number: state.handles }
    }
}

impl<T> Drop for ThreadsafeFuture<T> {
    fn drop(&mut self) {
        let waker = self.shared.state.lock().take_waker(self.number);
        drop(waker);
    }
}

impl<T> State<T> {
    /// Takes the waker of one handle, which is dropped outside the lock.
    fn take_waker(&mut self, number: u64) -> Option<Waker> {
        let index = self.wakers.iter().position(|(handle, _)| *handle == number)?;
        Some(self.wakers.swap_remove(index).1)
    }
}

impl<T: Send + 'static> ThreadsafeFuture<T> {
    /// Whether the result is there, or was taken.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let eggs = get_running_loop()?.handle().run_coroutine_threadsafe(|| sleep(secs(1)));
    /// assert!(!eggs.done());
    /// sleep(secs(2)).co_await()?;
    /// assert!(eggs.done());
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn done(&self) -> bool {
        self.shared.state.lock().done
    }

    /// Whether the coroutine ended by a cancellation.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let eggs = get_running_loop()?.handle().run_coroutine_threadsafe(|| sleep(secs(1)));
    /// eggs.cancel();
    /// assert!(!eggs.cancelled()); // not yet
    /// sleep(secs(1)).co_await()?;
    /// assert!(eggs.cancelled());
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn cancelled(&self) -> bool {
        self.shared.state.lock().cancelled
    }

    /// The result, if it is there; else `waker` is woken when it is.
    pub(super) fn take_or_wake(&self, waker: &Waker) -> Option<Result<T>> {
        // Wakers are other people's code: they are cloned and dropped outside the lock.
        let waker = waker.clone();
        let mut state = self.shared.state.lock();
        if state.done {
            let result = state.result.take();
            drop(state);
            return Some(result.unwrap_or_else(|| Err(taken())));
        }
        let old = state.take_waker(self.number);
        state.wakers.push((self.number, waker));
        drop(state);
        drop(old);
        None
    }

    /// Blocks this thread until the result is there, for at most `timeout` of real time, and takes it.
    ///
    /// # Errors
    /// What the coroutine raises; [`Elapsed`] after `timeout`, while the coroutine goes on; [`RuntimeError`] if
    /// the loop was closed first, if the result was taken before, or on the loop's own thread, which would wait
    /// for itself.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let eggs = get_running_loop()?.handle().run_coroutine_threadsafe(|| coroutine(|| Ok(6)));
    /// assert!(eggs.result(secs(1)).is_err()); // on the loop's own thread
    /// assert_eq!(to_thread(move || eggs.result(secs(5))).co_await()??, 6);
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn result(&self, timeout: Duration) -> Result<T> {
        let mut state = self.shared.state.lock();
        if !state.done && self.doors.thread == std::thread::current().id() {
            return Err(
                RuntimeError::new("a loop's own thread cannot block for its loop: await the result").into()
            );
        }
        if !state.done {
            state.blocking += 1;
            self.shared.blocked.fetch_add(1, Ordering::SeqCst);
            self.doors.notifier.notify();
        }
        let deadline = Instant::now().checked_add(timeout);
        while !state.done {
            match deadline {
                Some(deadline)
                    if self.shared.settled.wait_until(&mut state, deadline).timed_out() && !state.done =>
                {
                    state.blocking -= 1;
                    self.shared.blocked.fetch_sub(1, Ordering::SeqCst);
                    return Err(Elapsed.into());
                }
                Some(_) => {}
                None => self.shared.settled.wait(&mut state),
            }
        }
        state.result.take().unwrap_or_else(|| Err(taken()))
    }

    /// Cancels the task on its loop, also before it has begun. One that has ended keeps its result.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let endless = get_running_loop()?.handle().run_coroutine_threadsafe(|| sleep(secs(3600)));
    /// endless.cancel();
    /// assert!(endless.co_await()?.unwrap_err().is_cancelled());
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn cancel(&self) {
        let mut state = self.shared.state.lock();
        state.cancel = true;
        let Some(number) = state.task.filter(|_| !state.done) else { return };
        drop(state);
        let cancel = move || {
            let task = REMOTE.with_borrow(|tasks| tasks.iter().find(|(other, _)| *other == number).cloned());
            if let Some((_, task)) = task {
                task.cancel();
            }
        };
        // A closed loop has nothing left to cancel.
        let _ = self.doors.send(Box::new(cancel));
    }
}

fn taken() -> Error {
    RuntimeError::new("the result was taken").into()
}

impl<T: Send + 'static> StdFuture for ThreadsafeFuture<T> {
    type Output = Result<T>;

    fn poll(self: Pin<&mut Self>, context: &mut PollContext<'_>) -> Poll<Result<T>> {
        self.take_or_wake(context.waker()).map_or(Poll::Pending, Poll::Ready)
    }
}

impl<T> Debug for ThreadsafeFuture<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.shared.state.lock().done {
            "<ThreadsafeFuture done>"
        } else {
            "<ThreadsafeFuture pending>"
        })
    }
}
