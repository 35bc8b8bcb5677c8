//! Blocking work in threads, beside the loop.
//!
//! Floor: the library. The threads are those of the loop's [`Executor`](crate::Executor), or of `pool.rs`.

mod pool;

use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use parking_lot::Mutex;

use crate::context::Context;
use crate::coroutine::{Awaitable, Coroutine, Origins};
use crate::definition::{Definition, Origin};
use crate::error::{Error, Panicked, Result, RuntimeError};
use crate::events::{EventLoop, LoopCore, Resource, Runnable, running_core};
use crate::future::{Future, OnceFuture};
use crate::report;
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
/// When awaited: [`Panicked`]; [`RuntimeError`] without a running loop, after
/// [`EventLoop::shutdown_default_executor`], and "can't start new thread" where the system gives none: then its cause is
/// what that says. As long as there are others at work, the job waits for one of them instead.
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
        Origins(Origin::named(|| "to_thread"))
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
    /// Unlike [`to_thread`], it does not carry context variables over: a job begins without any.
    ///
    /// # Errors
    /// When awaited: [`Panicked`] if `job` panics; [`RuntimeError`] on a closed loop, "Executor shutdown has been
    /// called" after [`shutdown_default_executor`](Self::shutdown_default_executor), "can't start new thread" as with
    /// [`to_thread`], and if the [`Executor`](crate::Executor) drops the job.
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
            // Threads are used again and again: what a job sets is not seen by the next one.
            Ok(()) => start(&self.core, move || Context::new().run(job)),
            Err(error) => OnceFuture(Future::failed(error)),
        }
    }

    /// Takes no more jobs, and waits for those that run; `loop.shutdown_default_executor(timeout)`. The end of
    /// [`run`](crate::run) does so with a limit of five minutes.
    ///
    /// The executor that was set, if any, is dropped then. After `timeout` the jobs are left alone, with a warning.
    ///
    /// # Errors
    /// [`RuntimeError`] where nothing can wait: outside of this loop's tasks.
    ///
    /// # Cancellation
    /// Only the waiting ends: no jobs are taken any more.
    ///
    /// ```
    /// use coro_core::prelude::*;
    /// coro_core::run(coroutine(|| {
    ///     let event_loop = get_running_loop()?;
    ///     let six = event_loop.run_in_executor(|| 2 * 3);
    ///     event_loop.shutdown_default_executor(None).co_await()?;
    ///     assert_eq!(six.co_await()?, 6);
    ///     let late = event_loop.run_in_executor(|| 7).co_await();
    ///     assert_eq!(late.unwrap_err().to_string(), "Executor shutdown has been called");
    ///     Ok(())
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    #[track_caller]
    pub fn shutdown_default_executor(
        &self,
        timeout: Option<Duration>,
    ) -> Coroutine<impl FnOnce() -> Result<()> + use<>> {
        static DEFINITION: Definition =
            Definition::new("EventLoop::shutdown_default_executor", file!(), line!());
        let event_loop = self.clone();
        Coroutine::named(&DEFINITION, move || shut_down(&event_loop, timeout))
    }
}

/// Settles a future with `true` when the last job has ended.
struct JobsEnded(Future<bool>);

impl Runnable for JobsEnded {
    fn run(self: Rc<Self>, _: &Rc<LoopCore>) {
        let _ = self.0.settle_value(true); // false already if it took too long
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("shutdown_default_executor()")
    }
}

fn shut_down(event_loop: &EventLoop, timeout: Option<Duration>) -> Result<()> {
    let core = &event_loop.core;
    core.executor_shut.set(true);
    if core.jobs.get() > 0 && !core.closed.get() {
        let ended = Future::on(Rc::clone(core));
        core.jobs_waiters.borrow_mut().push(Rc::new(JobsEnded(ended.clone())));
        let timer = timeout.map(|timeout| {
            let ended = ended.clone();
            event_loop.call_later(timeout, move || {
                let _ = ended.settle_value(false); // true already if the jobs ended just now
            })
        });
        let result = (&ended).co_await();
        if let Some(timer) = timer {
            timer.cancel();
        }
        if !result? {
            warn_of_jobs(timeout.unwrap_or_default());
        }
    }
    let executor = core.executor.take();
    drop(executor);
    Ok(())
}

pub(crate) fn warn_of_jobs(timeout: Duration) {
    let seconds = timeout.as_secs_f64();
    report::warning(format_args!(
        "The executor did not finish joining its threads within {seconds} seconds."
    ));
}

type Finished<T> = Arc<Mutex<Option<Result<T, Box<dyn Any + Send>>>>>;

/// A job in a thread, as the loop sees it: nothing when it has ended, or the loop was closed.
struct Job<T>(RefCell<Option<Expected<T>>>);

/// What is there for the end of a job. Its slot holds the [`Job`], and that this: whatever comes first, the end or the
/// loop's close, takes it out.
struct Expected<T> {
    slot: WakeSlot,
    finished: Finished<T>,
    future: Future<T>,
    core: Rc<LoopCore>,
    /// The key in the loop's list of resources.
    resource: usize,
}

impl<T: 'static> Woken for Job<T> {
    fn wake(self: Rc<Self>) {
        let Some(expected) = self.0.take() else { return };
        let Expected { slot, finished, future, core, resource } = expected;
        drop(slot);
        let _ = core.resources.borrow_mut().try_remove(resource);
        core.note_job_ended();
        let finished = finished.lock().take();
        // A future that was cancelled meanwhile stays as it is.
        let _ = match finished {
            Some(Ok(value)) => future.settle_value(value),
            Some(Err(payload)) => future.settle_failed(Error::new(Panicked::new(payload))),
            None => {
                let dropped = RuntimeError::new("the executor dropped the job without running it");
                future.settle_failed(dropped.into())
            }
        };
    }
}

impl<T: 'static> Resource for Job<T> {
    fn loop_closed(self: Rc<Self>) {
        let expected = self.0.take();
        drop(expected);
    }
}

/// Wakes the loop when the job has run, and also if it is dropped instead.
struct WakeAtEnd(Waker);

impl Drop for WakeAtEnd {
    fn drop(&mut self) {
        self.0.wake_by_ref();
    }
}

/// Starts `job` in a thread of the executor.
pub(crate) fn start<F, T>(core: &Rc<LoopCore>, job: F) -> OnceFuture<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    if core.executor_shut.get() {
        let shut = RuntimeError::new("Executor shutdown has been called");
        return OnceFuture(Future::failed(shut.into()));
    }
    let future = Future::on(Rc::clone(core));
    let finished: Finished<T> = Arc::default();
    let waiting = Rc::new(Job(RefCell::default()));
    let slot = WakeSlot::new(core, Rc::clone(&waiting) as Rc<dyn Woken>);
    let waker = WakeAtEnd(slot.waker().clone());
    *waiting.0.borrow_mut() = Some(Expected {
        slot,
        finished: Arc::clone(&finished),
        future: future.clone(),
        core: Rc::clone(core),
        resource: core.resources.borrow_mut().insert(Rc::downgrade(&waiting) as Weak<dyn Resource>),
    });
    core.jobs.set(core.jobs.get() + 1);
    let run = Box::new(move || {
        let result = catch_unwind(AssertUnwindSafe(job));
        *finished.lock() = Some(result);
        drop(waker);
    });
    let executor = core.executor.borrow().clone();
    match executor {
        Some(executor) => executor.execute(run),
        None => {
            if let Err((job, error)) = pool::execute(run) {
                let _ = future.settle_failed(no_thread(error)); // before the job is dropped, which ends it, too
                drop(job);
            }
        }
    }
    OnceFuture(future)
}

/// That the system gives no thread.
#[track_caller]
pub(crate) fn no_thread(error: io::Error) -> Error {
    Error::caused_by(RuntimeError::new("can't start new thread"), error.into())
}
