//! `wait`: until some or all are done, without touching those that are not.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use crate::compat::into_future;
use crate::coroutine::{Awaitable, Origins};
use crate::definition::Origin;
use crate::error::{Result, ValueError};
use crate::events::{AnyFuture, LoopCore, Runnable, running_core};
use crate::future::{Future, OnceFuture};
use crate::task::{AnyTask, EnsuredFuture, Task};

/// A handle on a future or task: what [`wait`] waits for.
///
/// ```
/// # use coro_core::prelude::*;
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// use coro_core::{AsFuture, Future};
/// fn all_done(some: &[&dyn AsFuture]) -> bool {
///     some.iter().all(|future| future.as_any().done())
/// }
/// let (task, future) = (create_task(sleep(secs(1))), Future::<u32>::new());
/// assert!(!all_done(&[&task, &future]));
/// # Ok(())
/// # })).unwrap();
/// ```
pub trait AsFuture {
    /// The future, without the type of its result.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// use coro_core::AsFuture;
    /// let task = create_task(coroutine(|| Ok(1)));
    /// assert!(task.as_any().same(&task.any()));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    fn as_any(&self) -> AnyFuture;
}

impl AsFuture for AnyFuture {
    fn as_any(&self) -> AnyFuture {
        self.clone()
    }
}

impl AsFuture for AnyTask {
    fn as_any(&self) -> AnyFuture {
        self.any()
    }
}

impl<T: 'static> AsFuture for Future<T> {
    fn as_any(&self) -> AnyFuture {
        self.any()
    }
}

impl<T: 'static> AsFuture for Task<T> {
    fn as_any(&self) -> AnyFuture {
        self.any()
    }
}

impl<T: 'static> AsFuture for OnceFuture<T> {
    fn as_any(&self) -> AnyFuture {
        self.any()
    }
}

impl<T> AsFuture for EnsuredFuture<T> {
    fn as_any(&self) -> AnyFuture {
        (**self).clone()
    }
}

impl<F: AsFuture> AsFuture for &F {
    fn as_any(&self) -> AnyFuture {
        (**self).as_any()
    }
}

/// When [`wait`] returns; `asyncio.FIRST_COMPLETED`, `FIRST_EXCEPTION` and `ALL_COMPLETED`.
///
/// ```
/// # use coro_core::prelude::*;
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// use coro_core::{ReturnWhen, wait};
/// let burnt = create_task(coroutine(|| Err::<(), _>(Error::msg("burnt"))));
/// let tasks = [burnt, create_task(sleep(secs(1)))];
/// let (done, pending) = wait(&tasks).return_when(ReturnWhen::FirstException).co_await()?;
/// assert_eq!((done.len(), pending.len()), (1, 1));
/// let (done, _) = wait(&tasks).return_when(ReturnWhen::AllCompleted).co_await()?;
/// assert_eq!(done.len(), 2);
/// # Ok(())
/// # })).unwrap();
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReturnWhen {
    /// When one is done or cancelled.
    FirstCompleted,
    /// When one has raised, or all are done.
    FirstException,
    /// When all are done.
    #[default]
    AllCompleted,
}

/// What [`wait`] returns.
///
/// ```
/// # use coro_core::prelude::*;
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// let tasks = [create_task(coroutine(|| Ok(1)))];
/// let waiting: coro_core::Wait<_> = coro_core::wait(&tasks); // has not begun
/// let (done, pending) = waiting.co_await()?;
/// assert_eq!((done[0].result()?, pending.len()), (1, 0));
/// # Ok(())
/// # })).unwrap();
/// ```
#[must_use = "a wait does nothing until it is awaited"]
pub struct Wait<F> {
    futures: Vec<F>,
    timeout: Option<Duration>,
    return_when: ReturnWhen,
}

/// Waits for tasks and futures, and gives those that are done and those that are pending; `asyncio.wait()`.
///
/// Both lists keep the order of the arguments. Nothing is cancelled, and no exception is raised.
///
/// # Errors
/// When awaited: [`ValueError`] if there is nothing to wait for.
///
/// # Cancellation
/// What is waited for goes on.
///
/// ```
/// use coro_core::prelude::*;
/// use coro_core::{ReturnWhen, wait};
/// coro_core::run(coroutine(|| {
///     let tasks = [20, 5].map(|n| create_task(sleep(millis(n))));
///     let (done, pending) = wait(&tasks).return_when(ReturnWhen::FirstCompleted).co_await()?;
///     assert_eq!((done.len(), pending.len()), (1, 1));
///     let (done, _) = wait(&tasks).timeout(secs(5)).co_await()?;
///     assert_eq!(done.len(), 2);
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
pub fn wait<I>(futures: I) -> Wait<I::Item>
where
    I: IntoIterator,
    I::Item: AsFuture,
{
    Wait { futures: futures.into_iter().collect(), timeout: None, return_when: ReturnWhen::default() }
}

impl<F> Wait<F> {
    /// Returns after this time at the latest, with what is done by then: it is no error. Nothing is
    /// cancelled.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let tasks = [create_task(sleep(secs(60)))];
    /// let (done, pending) = coro_core::wait(&tasks).timeout(secs(1)).co_await()?;
    /// assert_eq!((done.len(), pending.len()), (0, 1));
    /// assert_eq!(get_running_loop()?.time(), secs(1));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// When to return, if not when all are done.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// use coro_core::{ReturnWhen, wait};
    /// let tasks = [60, 1].map(|n| create_task(sleep(secs(n))));
    /// let (done, _) = wait(&tasks).return_when(ReturnWhen::FirstCompleted).co_await()?;
    /// assert!(done[0].same(&tasks[1]));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn return_when(mut self, return_when: ReturnWhen) -> Self {
        self.return_when = return_when;
        self
    }
}

/// The done callback of each future, and of the timer.
struct Watch {
    future: Option<AnyFuture>,
    left: Rc<Cell<usize>>,
    return_when: ReturnWhen,
    waiter: Future<()>,
}

impl Runnable for Watch {
    fn run(self: Rc<Self>, _: &Rc<LoopCore>) {
        self.left.set(self.left.get().saturating_sub(1));
        let enough = match (&self.future, self.return_when) {
            (None, _) | (_, ReturnWhen::FirstCompleted) => true,
            (Some(future), ReturnWhen::FirstException) if !future.cancelled() => future.exception().is_some(),
            _ => false,
        };
        if (enough || self.left.get() == 0) && !self.waiter.done() {
            let settled = self.waiter.settle_value(());
            debug_assert!(settled.is_ok(), "looked at above");
        }
    }

    fn is_cancelled(&self) -> bool {
        self.future.is_none() && self.waiter.done()
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("wait()")
    }

    fn callback_name(&self) -> String {
        format!("wait() at {}:{}", file!(), line!())
    }

    fn awaiter(self: Rc<Self>) -> Option<AnyFuture> {
        Some(self.waiter.any())
    }
}

impl<F: AsFuture> Awaitable for Wait<F> {
    type Output = (Vec<F>, Vec<F>);

    fn co_await(self) -> Result<Self::Output> {
        /// Takes all callbacks back, however the wait ends.
        struct Unwatch(Vec<(AnyFuture, Rc<dyn Runnable>)>);
        impl Drop for Unwatch {
            fn drop(&mut self) {
                for (future, watch) in self.0.drain(..) {
                    future.0.remove_waiter(&watch);
                }
            }
        }
        if self.futures.is_empty() {
            return Err(ValueError::new("Set of Tasks/Futures is empty.").into());
        }
        let core = running_core()?;
        let waiter = Future::on(Rc::clone(&core));
        let left = Rc::new(Cell::new(self.futures.len()));
        let watch = |future: Option<AnyFuture>| {
            let (left, waiter) = (Rc::clone(&left), waiter.clone());
            Rc::new(Watch { future, left, return_when: self.return_when, waiter }) as Rc<dyn Runnable>
        };
        if let Some(timeout) = self.timeout {
            core.push_timer_after(timeout, watch(None));
        }
        let mut unwatch = Unwatch(Vec::with_capacity(self.futures.len()));
        for future in self.futures.iter().map(AsFuture::as_any) {
            let watch = watch(Some(future.clone()));
            future.0.add_waiter(Rc::clone(&watch));
            unwatch.0.push((future, watch));
        }
        let result = waiter.wait_done();
        drop(unwatch);
        if self.timeout.is_some() {
            waiter.cancel(); // marks the timer as dead, whether or not it has fired
            core.note_timer_cancelled();
        }
        result?;
        Ok(self.futures.into_iter().partition(|future| future.as_any().done()))
    }

    fn __origin(&self) -> Origins {
        Origins(Origin::named(|| "wait"))
    }
}

into_future! {
    [F: AsFuture + 'static] Wait<F> => (Vec<F>, Vec<F>);
}
