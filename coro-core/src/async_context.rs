//! Asynchronous context managers: what `async with` enters and leaves.
//!
//! Floor: the library, above `async_iter`, since a context manager can be made of an asynchronous generator.

use std::fmt::{self, Debug};

use crate::async_iter::AsyncGenerator;
use crate::error::{Error, Result, RuntimeError, StopAsyncIteration, StopIteration};
use crate::generator::Yielder;

/// Something that is entered before a block and left after it, and may suspend in both; Python's `__aenter__` and
/// `__aexit__`.
///
/// ```
/// use coro_core::prelude::*;
///
/// struct Connection;
/// impl AsyncContextManager for Connection {
///     type Value = &'static str;
///     fn aenter(&mut self) -> Result<&'static str> {
///         sleep(millis(1)).co_await()?;
///         Ok("sqlite")
///     }
///     fn aexit(&mut self, _error: Option<&Error>) -> Result<bool> {
///         sleep(millis(1)).co_await()?;
///         Ok(false)
///     }
/// }
/// async_fn! {
///     async fn program() -> usize {
///         let mut length = 0;
///         async with Connection as driver { length = driver.len(); }
///         length
///     }
/// }
/// assert_eq!(coro_core::run(program())?, 6);
/// # Ok::<(), Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`async with` cannot enter `{Self}`",
    label = "this is no asynchronous context manager",
    note = "implement `coro_core::AsyncContextManager` for it, or make one from an async generator with `context_manager(..)`"
)]
pub trait AsyncContextManager {
    /// What the block gets; `async with … as value`.
    type Value;

    /// Enters; Python's `__aenter__`. It may await.
    ///
    /// # Errors
    /// If it cannot be entered; the block does not run then, and [`aexit`](Self::aexit) is not called.
    ///
    /// # Cancellation
    /// One that is raised at an await in it is an error as others: the block does not run. What was taken
    /// until then is to be given back in here.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let lock = Lock::new(1);
    /// let guard = (&lock).aenter()?;
    /// assert!(lock.locked());
    /// drop(guard);
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    fn aenter(&mut self) -> Result<Self::Value>;

    /// Leaves; Python's `__aexit__`. It may await. `error` is what the block raised; `true` swallows it.
    ///
    /// # Errors
    /// What goes wrong while leaving; it takes the place of `error`.
    ///
    /// # Cancellation
    /// `error` may be one, and should go on then: give `false`. One that arrives meanwhile is raised at an
    /// await in here.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let mut limit = Timeout::new(secs(5));
    /// limit.aenter()?;
    /// let error = sleep(secs(60)).co_await().unwrap_err(); // the limit cancels it
    /// assert!(limit.aexit(Some(&error)).unwrap_err().is_timeout());
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    fn aexit(&mut self, error: Option<&Error>) -> Result<bool>;
}

impl<M: AsyncContextManager + ?Sized> AsyncContextManager for &mut M {
    type Value = M::Value;

    fn aenter(&mut self) -> Result<M::Value> {
        (**self).aenter()
    }

    fn aexit(&mut self, error: Option<&Error>) -> Result<bool> {
        (**self).aexit(error)
    }
}

impl<M: AsyncContextManager + ?Sized> AsyncContextManager for Box<M> {
    type Value = M::Value;

    fn aenter(&mut self) -> Result<M::Value> {
        (**self).aenter()
    }

    fn aexit(&mut self, error: Option<&Error>) -> Result<bool> {
        (**self).aexit(error)
    }
}

/// A context manager from a generator that yields once; `contextlib.asynccontextmanager`.
///
/// What stands before the yield enters, what stands after it leaves. An error in the block is raised at the yield:
/// a generator that catches it swallows it.
///
/// # Errors
/// Entering: what the generator raises, and [`RuntimeError`] "generator didn't yield". Leaving: what it
/// raises after the yield, and [`RuntimeError`] "generator didn't stop" if it yields twice.
///
/// # Cancellation
/// One that ends the block is raised at the yield, like other errors.
///
/// ```
/// use coro_core::prelude::*;
/// async_fn! {
///     async fn connection() yields &'static str {
///         await!(sleep(millis(1)));
///         yield!("sqlite");
///         await!(sleep(millis(1)));
///     }
///     async fn program() -> usize {
///         let mut length = 0;
///         async with context_manager(connection()) as driver { length = driver.len(); }
///         length
///     }
/// }
/// assert_eq!(coro_core::run(program())?, 6);
/// # Ok::<(), Error>(())
/// ```
pub fn context_manager<Y, F>(generator: AsyncGenerator<Y, (), F>) -> ContextManager<Y, F>
where
    F: FnOnce(&Yielder<Y>) -> Result<()>,
{
    ContextManager { generator }
}

/// What [`context_manager`] returns.
///
/// ```
/// # use coro_core::prelude::*;
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// let file = coro_core::async_generator(|y: &coro_core::Yielder<&str>| y.yield_("opened"));
/// let mut file = context_manager(file);
/// assert_eq!(file.aenter()?, "opened");
/// file.aexit(None)?;
/// # Ok(())
/// # })).unwrap();
/// ```
#[must_use = "a context manager does nothing until it is entered"]
pub struct ContextManager<Y, F> {
    generator: AsyncGenerator<Y, (), F>,
}

impl<Y, F> ContextManager<Y, F>
where
    F: FnOnce(&Yielder<Y>) -> Result<()>,
{
    /// As [`Generator::pin`](crate::generator::Generator::pin).
    pub(crate) fn pin(&mut self) {
        self.generator.pin();
    }

    pub(crate) fn enter_borrowed(&mut self) -> Result<Y> {
        self.generator.next_borrowed()?.ok_or_else(|| RuntimeError::new("generator didn't yield").into())
    }

    pub(crate) fn exit_borrowed(&mut self, error: Option<&Error>) -> Result<bool> {
        let Some(error) = error else {
            return match self.generator.next_borrowed()? {
                None => Ok(false),
                Some(value) => {
                    drop(value);
                    Err(RuntimeError::new("generator didn't stop").into())
                }
            };
        };
        match self.generator.throw_borrowed(error.clone()) {
            Ok(None) => Ok(true),
            Ok(Some(value)) => {
                drop(value);
                Err(RuntimeError::new("generator didn't stop after athrow()").into())
            }
            // The very error that went in has passed through: it goes on as if there were no generator. One that ends
            // an iteration comes out wrapped, since it may not pass a generator's body.
            Err(raised) => {
                let is_stop = error.is::<StopIteration>() || error.is::<StopAsyncIteration>();
                let wrapped = is_stop && raised.cause().is_some_and(|cause| cause.same(error));
                match raised.same(error) || wrapped {
                    true => Ok(false),
                    false => Err(raised),
                }
            }
        }
    }
}

impl<Y: 'static, F> AsyncContextManager for ContextManager<Y, F>
where
    F: FnOnce(&Yielder<Y>) -> Result<()> + 'static,
{
    type Value = Y;

    fn aenter(&mut self) -> Result<Y> {
        self.enter_borrowed()
    }

    fn aexit(&mut self, error: Option<&Error>) -> Result<bool> {
        self.exit_borrowed(error)
    }
}

impl<Y, F> Debug for ContextManager<Y, F>
where
    F: FnOnce(&Yielder<Y>) -> Result<()>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<context manager of {:?}>", self.generator)
    }
}
