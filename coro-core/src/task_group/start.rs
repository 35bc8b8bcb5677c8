//! Children that say when they are ready: trio's `nursery.start()`.
//!
//! Floor: the library. An error that comes before the child has started is its starter's, who waits for it; one that
//! comes later is the group's, as of other children.

use std::fmt::{self, Debug};

use super::{Scope, TaskGroup};
use crate::coroutine::{Awaitable, Coroutine};
use crate::error::{Result, RuntimeError};
use crate::future::Future;
use crate::task::AnyTask;

/// With it a child of [`TaskGroup::start`] says that it is ready.
///
/// ```
/// # use coro_core::prelude::*;
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// use coro_core::Started;
/// async_fn! {
///     async fn serve(started: Started<u16>) {
///         await!(sleep(secs(1))); // binds a socket
///         started.send(8080);
///         await!(sleep(secs(60)));
///     }
/// }
/// TaskGroup::scope(|group| {
///     let port = group.start(serve).co_await()?;
///     assert_eq!((port, get_running_loop()?.time()), (8080, secs(1)));
///     group.cancel();
///     Ok(())
/// })?;
/// # Ok(())
/// # })).unwrap();
/// ```
pub struct Started<T> {
    ready: Future<T>,
}

impl<T: 'static> Started<T> {
    /// Gives `value` to the one who awaits the start. Where nobody does any more, it is dropped.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// TaskGroup::scope(|group| {
    ///     let six = group.start(|started| coroutine(move || Ok(started.send(6)))).co_await()?;
    ///     assert_eq!(six, 6);
    ///     Ok(())
    /// })?;
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn send(self, value: T) {
        // Only the one who waits may have settled it, by a cancellation.
        let _ = self.ready.settle_value(value);
    }
}

impl<T> Debug for Started<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<Started>")
    }
}

/// What [`TaskGroup::start`] returns: a child that may not be ready yet.
///
/// Dropping it leaves the child alone: what it raises is the group's then.
///
/// ```
/// # use coro_core::prelude::*;
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// TaskGroup::scope(|group| {
///     let starting: coro_core::Starting<u32> = group.start(|started| coroutine(move || Ok(started.send(6))));
///     assert_eq!(starting.co_await()?, 6);
///     Ok(())
/// })?;
/// # Ok(())
/// # })).unwrap();
/// ```
#[must_use = "await it to know that the child is ready"]
pub struct Starting<T: 'static> {
    ready: Future<T>,
    /// `None` if the group takes no more children.
    task: Option<AnyTask>,
}

impl<T> Awaitable for Starting<T> {
    type Output = T;

    fn co_await(self) -> Result<T> {
        let waited = self.ready.wait_done();
        if let Some(task) = self.task.as_ref().filter(|_| waited.is_err() && self.ready.cancelled()) {
            task.cancel();
        }
        waited?;
        self.ready.take_result()
    }
}

impl<T> Drop for Starting<T> {
    fn drop(&mut self) {
        self.ready.cancel();
    }
}

impl<T> Debug for Starting<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<Starting of {:?}>", self.task)
    }
}

/// Goes with the child's body: whatever becomes of that, the one who waits hears of it.
struct Unstarted<T: 'static>(Future<T>);

impl<T> Drop for Unstarted<T> {
    fn drop(&mut self) {
        if !self.0.done() {
            let error = RuntimeError::new("child exited without calling started()");
            let settled = self.0.settle_failed(error.into());
            debug_assert!(settled.is_ok(), "looked at above");
        }
    }
}

/// The child of a start: its body, which tells `ready` how it went.
#[track_caller]
fn child<T: 'static, A: Awaitable>(
    ready: &Future<T>,
    awaitable: A,
) -> Coroutine<impl FnOnce() -> Result<()> + use<T, A>> {
    let origin = awaitable.__origin().0.or_here();
    let unstarted = Unstarted(ready.clone());
    Coroutine::with_origin(origin, move || {
        let Unstarted(ready) = &unstarted;
        match awaitable.co_await() {
            Ok(value) => drop(value),
            Err(error) if ready.done() || error.is_cancelled() => return Err(error),
            Err(error) => ready.settle_failed(error)?,
        }
        Ok(())
    })
}

impl TaskGroup {
    /// Runs a child that says when it is ready, with `started.send(value)`: await what this gives for `value`. The child goes
    /// on as a task of the group; trio's `nursery.start()`.
    ///
    /// # Errors
    /// When awaited: what the child raises before it is ready, which is not the group's then; [`RuntimeError`] "child exited
    /// without calling started()" if it returns, or is cancelled; and if the group takes no more children.
    ///
    /// # Cancellation
    /// Of the one who awaits the start: the child is cancelled, unless it was ready.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// async_fn! {
    ///     async fn program() -> u16 {
    ///         let mut port = 0;
    ///         async with TaskGroup::new() as group {
    ///             port = await!(group.start(|started| coroutine(move || {
    ///                 started.send(8080);
    ///                 sleep(secs(60)).co_await() // serves
    ///             })));
    ///         }
    ///         port
    ///     }
    /// }
    /// assert_eq!(program().co_await()?, 8080);
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    #[track_caller]
    pub fn start<T, A>(&self, f: impl FnOnce(Started<T>) -> A) -> Starting<T>
    where
        T: 'static,
        A: Awaitable + 'static,
    {
        match self.inner.check_accepts() {
            Ok(core) => {
                let ready = Future::on(core);
                let awaitable = f(Started { ready: ready.clone() });
                let task = self.create_task(child(&ready, awaitable)).any_task();
                Starting { ready, task: Some(task) }
            }
            Err(error) => Starting { ready: Future::failed(error), task: None },
        }
    }
}

impl<'s> Scope<'s, '_> {
    /// As [`TaskGroup::start`], for a child that may borrow from the frames around the scope.
    ///
    /// # Errors
    /// As [`TaskGroup::start`].
    ///
    /// # Cancellation
    /// As [`TaskGroup::start`].
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let name = String::from("server"); // borrowed by the child
    /// TaskGroup::scope(|group| {
    ///     let child = group.start(|started| coroutine(|| { started.send(name.len()); sleep(secs(1)).co_await() }));
    ///     assert_eq!(child.co_await()?, 6);
    ///     Ok(())
    /// })?;
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    #[track_caller]
    pub fn start<T, A>(&'s self, f: impl FnOnce(Started<T>) -> A) -> Starting<T>
    where
        T: 'static,
        A: Awaitable + 's,
    {
        match self.group.inner.check_accepts() {
            Ok(core) => {
                let ready = Future::on(core);
                let awaitable = f(Started { ready: ready.clone() });
                let task = self.create_task(child(&ready, awaitable)).any_task();
                Starting { ready, task: Some(task) }
            }
            Err(error) => Starting { ready: Future::failed(error), task: None },
        }
    }
}
