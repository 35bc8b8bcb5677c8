//! [`OnceFuture`]: a future whose one awaiter takes the result.
//!
//! Floor 4.

use std::fmt::{self, Debug};
use std::ops::Deref;

use super::Future;
use crate::coroutine::{Awaitable, Ensured, Existing};
use crate::error::Result;

/// A future whose one awaiter takes the result: what `gather`, `shield` and `run_in_executor` give.
///
/// It is a [`Future`] in all else. Dropping it does not stop what it waits for.
///
/// # Cancellation
/// As [`Future`]. What stands behind it is cancelled then, but for a [`shield`](crate::shield).
///
/// ```
/// use coro_core::prelude::*;
/// struct NotClone(u32);
/// coro_core::run(coroutine(|| {
///     let both = gather((coroutine(|| Ok(NotClone(1))), coroutine(|| Ok("two"))));
///     assert!(!both.done());
///     let (one, two) = both.co_await()?;
///     assert_eq!((one.0, two), (1, "two"));
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
pub struct OnceFuture<T>(pub(crate) Future<T>);

impl<T> Deref for OnceFuture<T> {
    type Target = Future<T>;

    fn deref(&self) -> &Future<T> {
        &self.0
    }
}

impl<T: Debug + 'static> Debug for OnceFuture<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: 'static> Awaitable for OnceFuture<T> {
    type Output = T;

    #[inline(always)] // see `suspend`
    fn co_await(self) -> Result<T> {
        self.0.wait_done()?;
        self.0.take_result()
    }

    fn __ensure(self) -> Ensured<Self> {
        let future = self.any().0;
        Ensured::Existing(Existing { future, result: Box::new(move || self.0.take_result()) })
    }
}

impl<T: Clone + 'static> Awaitable for &OnceFuture<T> {
    type Output = T;

    #[inline(always)] // see `suspend`
    fn co_await(self) -> Result<T> {
        (&self.0).co_await()
    }

    fn __ensure(self) -> Ensured<Self> {
        let future = self.0.clone();
        Ensured::Existing(Existing { future: self.any().0, result: Box::new(move || future.result()) })
    }
}
