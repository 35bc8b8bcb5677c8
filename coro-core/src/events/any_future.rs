//! [`AnyFuture`]: a future or task without the type of its result.
//!
//! Floor 1.

use std::fmt::{self, Debug};
use std::rc::Rc;

use super::Waitable;
use crate::error::Error;

/// Any future or task, whatever its result: what a coroutine hands to the one who drives it by hand.
///
/// ```
/// use coro_core::prelude::*;
/// use coro_core::{AnyFuture, Future};
///
/// coro_core::run(coroutine(|| {
///     let future = Future::<u32>::new();
///     let any: AnyFuture = future.any();
///     future.set_result(1)?;
///     assert!(any.done() && !any.cancelled());
///     Ok(())
/// })).unwrap();
/// ```
#[derive(Clone)]
pub struct AnyFuture(pub(crate) Rc<dyn Waitable>);

impl AnyFuture {
    /// Whether it has a result, an exception, or was cancelled.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let nap = create_task(sleep(secs(1))).any();
    /// assert!(!nap.done());
    /// sleep(secs(2)).co_await()?;
    /// assert!(nap.done());
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn done(&self) -> bool {
        self.0.is_done()
    }

    /// Whether it was cancelled.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let any = coro_core::Future::<u32>::new().any();
    /// any.cancel();
    /// assert!(any.done() && any.cancelled());
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn cancelled(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Asks it to end: a future at once, a task at its next step. False if it is done already.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let task = create_task(sleep(secs(60)));
    /// assert!(task.any().cancel());
    /// assert!(!task.done()); // it ends at its next step
    /// assert!(task.co_await().unwrap_err().is_cancelled());
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn cancel(&self) -> bool {
        Rc::clone(&self.0).cancel(None)
    }

    /// The exception it ended with, a cancellation included; `None` while it is pending or when it has a result.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let future = coro_core::Future::<u32>::new();
    /// let any = future.any();
    /// assert!(any.exception().is_none());
    /// future.set_exception(Error::msg("burnt"))?;
    /// assert_eq!(any.exception().unwrap().to_string(), "burnt");
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn exception(&self) -> Option<Error> {
        self.0.retrieve()
    }

    /// The name, if it is a task; `task.get_name()`.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let task = create_task(coroutine(|| Ok(1)));
    /// task.set_name("eggs");
    /// assert_eq!(task.any().task_name().as_deref(), Some("eggs"));
    /// assert_eq!(coro_core::Future::<u32>::new().any().task_name(), None);
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn task_name(&self) -> Option<String> {
        self.0.task_name()
    }

    /// Whether both are the same future; Python's `is`.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let (one, two) = (coro_core::Future::<u32>::new(), coro_core::Future::<u32>::new());
    /// assert!(one.any().same(&one.any()) && !one.any().same(&two.any()));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn same(&self, other: &AnyFuture) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl Debug for AnyFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.describe(f)
    }
}
