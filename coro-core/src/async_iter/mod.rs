//! Asynchronous iterators: the protocol, its adaptors, and generators whose consumer is `async for`.
//!
//! Floor: the library, its lowest part. The protocol is a plain function, since any function may suspend: [`AsyncIterator::anext`].

mod adaptors;
mod generator;
mod lent;
mod shared;

pub(crate) use adaptors::both;
pub use adaptors::{Aiter, Peekable, SuspendingIter, aiter};
pub use generator::{AsyncGenerator, async_generator};
pub use lent::AsyncLent;
pub use shared::SharedAsyncGenerator;

use crate::error::{Result, StopAsyncIteration};
use crate::generator::{Generator, Yielder};

/// Something that gives one item after the other and may suspend in between; Python's `__anext__`.
///
/// `None` stands for Python's `StopAsyncIteration`.
///
/// ```
/// use coro_core::prelude::*;
///
/// struct Countdown(u32);
/// impl AsyncIterator for Countdown {
///     type Item = u32;
///     fn anext(&mut self) -> Result<Option<u32>> {
///         sleep(millis(1)).co_await()?;
///         Ok(self.0.checked_sub(1).inspect(|n| self.0 = *n))
///     }
/// }
/// async_fn! {
///     async fn sum() -> u32 {
///         let mut sum = 0;
///         async for n in Countdown(4) { sum += n; }
///         sum
///     }
/// }
/// assert_eq!(coro_core::run(sum())?, 6);
/// # Ok::<(), Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`async for` cannot go over `{Self}`",
    label = "this is no asynchronous iterator",
    note = "implement `coro_core::AsyncIterator` for it, or use an ordinary `for` if it is an `Iterator`"
)]
pub trait AsyncIterator {
    /// What it gives.
    type Item;

    /// The next item; `None` when there are no more.
    ///
    /// # Errors
    /// Whatever goes wrong on the way, a cancellation of the task included.
    ///
    /// # Cancellation
    /// It is raised at the await in here. Whether the iterator can go on after that is its own affair: a
    /// generator that does not catch it has ended.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// let mut one = coro_core::async_generator(|y: &coro_core::Yielder<u32>| y.yield_(5));
    /// assert_eq!(one.anext()?, Some(5));
    /// assert_eq!(one.anext()?, None);
    /// # Ok::<(), Error>(())
    /// ```
    fn anext(&mut self) -> Result<Option<Self::Item>>;

    /// Ends it early, and waits for what it has to tidy up; Python's `aclose()`. It gives no items after that. Closing
    /// what has ended, or was closed, does nothing.
    ///
    /// Most have nothing to tidy up, and need not say anything here. Generators close; adaptors close what they are
    /// made of. Dropping one that is not closed tidies up too, but nobody gets the errors of that.
    ///
    /// # Errors
    /// What goes wrong while tidying up.
    ///
    /// # Cancellation
    /// It is raised at the await that the cleanup stands at.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// let eggs = coro_core::async_generator(|y: &coro_core::Yielder<u32>| { y.yield_(1)?; y.yield_(2) });
    /// let mut double = eggs.aiter().map(|egg| Ok(2 * egg));
    /// assert_eq!(double.anext()?, Some(2));
    /// double.aclose()?;
    /// assert_eq!(double.anext()?, None);
    /// # Ok::<(), Error>(())
    /// ```
    fn aclose(&mut self) -> Result<()> {
        Ok(())
    }

    /// With the adaptors of [`Aiter`]: `map`, `filter`, `take`, `collect` and their like, whose closures may await.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let eggs = coro_core::async_generator(|y: &coro_core::Yielder<u64>| (1..=4).try_for_each(|n| y.yield_(n)));
    /// let boiled = eggs.aiter().filter(|egg| Ok(egg % 2 == 0)).map(|egg| {
    ///     sleep(secs(egg)).co_await()?;
    ///     Ok(format!("egg {egg}"))
    /// });
    /// assert_eq!(boiled.collect::<Vec<_>>()?, ["egg 2", "egg 4"]);
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    fn aiter(self) -> Aiter<Self>
    where
        Self: Sized,
    {
        Aiter::new(self)
    }
}

/// One that is lent: closing it leaves it as it is, for the one who lent it.
impl<I: AsyncIterator + ?Sized> AsyncIterator for &mut I {
    type Item = I::Item;

    fn anext(&mut self) -> Result<Option<I::Item>> {
        (**self).anext()
    }
}

impl<I: AsyncIterator + ?Sized> AsyncIterator for Box<I> {
    type Item = I::Item;

    fn anext(&mut self) -> Result<Option<I::Item>> {
        (**self).anext()
    }

    fn aclose(&mut self) -> Result<()> {
        (**self).aclose()
    }
}

impl<Y: 'static, R: 'static, F> AsyncIterator for Generator<Y, (), R, F>
where
    F: FnOnce(&Yielder<Y>) -> Result<R> + 'static,
{
    type Item = Y;

    fn anext(&mut self) -> Result<Option<Y>> {
        self.next_borrowed().transpose()
    }

    fn aclose(&mut self) -> Result<()> {
        self.close().map(drop)
    }
}

/// The next item of an asynchronous iterator; the builtin `anext(iterator)`.
///
/// # Errors
/// [`StopAsyncIteration`] when there are no more; what the iterator raises.
///
/// # Cancellation
/// As [`AsyncIterator::anext`].
///
/// ```
/// use coro_core::prelude::*;
/// let mut one = coro_core::async_generator(|y: &coro_core::Yielder<u32>| y.yield_(5));
/// assert_eq!(coro_core::anext(&mut one)?, 5);
/// assert!(coro_core::anext(&mut one).unwrap_err().is::<coro_core::StopAsyncIteration>());
/// # Ok::<(), Error>(())
/// ```
pub fn anext<I: AsyncIterator + ?Sized>(iterator: &mut I) -> Result<I::Item> {
    iterator.anext()?.ok_or_else(|| StopAsyncIteration.into())
}

/// The next item, or `default` when there are no more; the builtin `anext(iterator, default)`.
///
/// # Errors
/// What the iterator raises.
///
/// # Cancellation
/// As [`AsyncIterator::anext`]; `default` is dropped.
///
/// ```
/// use coro_core::prelude::*;
/// let mut one = coro_core::async_generator(|y: &coro_core::Yielder<u32>| y.yield_(5));
/// assert_eq!((coro_core::anext_or(&mut one, 0)?, coro_core::anext_or(&mut one, 0)?), (5, 0));
/// # Ok::<(), Error>(())
/// ```
pub fn anext_or<I: AsyncIterator + ?Sized>(iterator: &mut I, default: I::Item) -> Result<I::Item> {
    Ok(iterator.anext()?.unwrap_or(default))
}
