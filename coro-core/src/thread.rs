//! Blocking work in threads, beside the loop.
//!
//! Floor: the library. The threads are those of the `blocking` crate: made on demand, many at most, gone when idle.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::context::Context;
use crate::coroutine::{Awaitable, Origins};
use crate::definition::Origin;
use crate::error::{Error, Panicked, Result};
use crate::events::{EventLoop, LoopCore, running_core};
use crate::future::{Future, OnceFuture};
use crate::waker::{WakeSlot, Woken};

/// What [`to_thread`] returns.
///
/// ```
/// # use coro_core::prelude::*;
/// let job: coro_core::ToThread<_> = to_thread(|| 2 * 3); // has not begun
/// assert_eq!(coro_core::run(job)?, 6);
/// # Ok::<(), Error>(())
/// ```
#[must_use = "the function runs only when this is awaited"]
pub struct ToThread<F> {
    job: F,
}

/// Runs a blocking function in a thread while the task waits; `asyncio.to_thread()`.
///
/// It sees the values of the task's context variables. A panic in it is an error here.
///
/// # Errors
/// When awaited: [`Panicked`](crate::Panicked); `RuntimeError` without a running loop.
///
/// # Cancellation
/// Only the waiting is cancelled: a function that runs cannot be stopped, and its result is lost. The loop waits
/// for it before `run` returns.
///
/// ```
/// use coro_core::prelude::*;
/// let sum = coro_core::run(to_thread(|| (1..=1_000).sum::<u32>()))?;
/// assert_eq!(sum, 500_500);
/// # Ok::<(), Error>(())
/// ```
pub fn to_thread<F, T>(job: F) -> ToThread<F>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    ToThread { job }
}

impl<F, T> Awaitable for ToThread<F>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    type Output = T;

    fn co_await(self) -> Result<T> {
        let values = Context::current().snapshot();
        let job = self.job;
        start(&running_core()?, move || Context::from_snapshot(values).run(job)).co_await()
    }

    fn __origin(&self) -> Origins {
        Origins(Origin::Type("to_thread"))
    }
}

impl<F, T> IntoFuture for ToThread<F>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    type Output = Result<T>;
    type IntoFuture = crate::compat::AsStdFuture<Self>;

    fn into_future(self) -> Self::IntoFuture {
        crate::compat::AsStdFuture::new(self)
    }
}

impl EventLoop {
    /// Starts `job` in a thread and gives the future of its result; `loop.run_in_executor(None, job)`.
    ///
    /// Unlike [`to_thread`], it does not carry context variables over.
    ///
    /// # Errors
    /// When awaited: [`Panicked`](crate::Panicked) if `job` panics; [`RuntimeError`](crate::RuntimeError) on
    /// a closed loop.
    ///
    /// # Cancellation
    /// Only the waiting is cancelled: a job that runs cannot be stopped, and its result is lost.
    ///
    /// ```
    /// use coro_core::prelude::*;
    /// coro_core::run(coroutine(|| {
    ///     let future = get_running_loop()?.run_in_executor(|| 6 * 7);
    ///     assert_eq!(future.co_await()?, 42);
    ///     Ok(())
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn run_in_executor<F, T>(&self, job: F) -> OnceFuture<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        match self.core.check_open() {
            Ok(()) => start(&self.core, job),
            Err(error) => OnceFuture(Future::failed(error)),
        }
    }
}

type Finished<T> = Arc<Mutex<Option<Result<T, Box<dyn Any + Send>>>>>;

/// A job in a thread, as the loop sees it.
struct Job<T> {
    finished: Finished<T>,
    future: Future<T>,
    core: Rc<LoopCore>,
    slot: RefCell<Option<WakeSlot>>,
}

impl<T: 'static> Woken for Job<T> {
    fn wake(self: Rc<Self>) {
        let Some(slot) = self.slot.take() else { return };
        drop(slot);
        let jobs = self.core.jobs.get() - 1;
        self.core.jobs.set(jobs);
        if jobs == 0 && self.core.stop_without_jobs.get() {
            self.core.stopping.set(true);
        }
        let finished = self.finished.lock().take();
        // A future that was cancelled meanwhile stays as it is.
        let _ = match finished {
            Some(Ok(value)) => self.future.settle_value(value),
            Some(Err(payload)) => self.future.settle_failed(Error::new(Panicked::new(payload))),
            None => Ok(()),
        };
    }
}

fn start<F, T>(core: &Rc<LoopCore>, job: F) -> OnceFuture<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let future = Future::on(Rc::clone(core));
    let finished: Finished<T> = Arc::default();
    let waiting = Rc::new(Job {
        finished: Arc::clone(&finished),
        future: future.clone(),
        core: Rc::clone(core),
        slot: RefCell::default(),
    });
    let slot = WakeSlot::new(core, Rc::clone(&waiting) as Rc<dyn Woken>);
    let waker = slot.waker().clone();
    *waiting.slot.borrow_mut() = Some(slot);
    core.jobs.set(core.jobs.get() + 1);
    let run = move || {
        let result = catch_unwind(AssertUnwindSafe(job));
        *finished.lock() = Some(result);
        waker.wake();
    };
    blocking::unblock(run).detach();
    OnceFuture(future)
}
