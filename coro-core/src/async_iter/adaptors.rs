//! The adaptors of asynchronous iterators, and an ordinary iterator made of one.
//!
//! Floor: the library, its lowest part. Those that run several at once are added by `combinators/`.
//!
//! 1. A closure is plain code in the task that asks for the item: it may await, borrow, and raise.
//! 2. An error passes through. The item that was in hand is lost; whoever asks again gets the next one.
//! 3. What ends early by its own rule (`take`, `zip`, `find`, …) closes what it is made of; `aclose` closes all of it.

use std::fmt::{self, Debug};

use super::AsyncIterator;
use crate::error::Result;

/// An asynchronous iterator with adaptors: what [`aiter`] and [`AsyncIterator::aiter`] give.
///
/// They are those of std's `Iterator`, and two that run several at once: [`buffered`](Self::buffered) and
/// [`merge`](Self::merge). Closures return a `Result`, so that `?` works in them, and may await: the task that
/// asks for the item waits. Nothing happens before an item is asked for, by `async for`, by
/// [`anext`](AsyncIterator::anext), or by a method that reads to the end, such as [`collect`](Self::collect).
///
/// As [`IntoIterator`] it is an ordinary iterator of results, whose `next` suspends the task: for a plain `for` loop,
/// and for whatever takes an `Iterator`.
///
/// # Errors
/// What the iterator or a closure raises comes out where the item was asked for. It does not end the adaptors: who
/// asks again gets what comes next.
///
/// # Cancellation
/// It is raised in the iterator or in a closure, wherever the task waits, and passes as an error does. What is lost is
/// the item that a closure had in hand, if it was one. Methods that read to the end close the iterator then, and what
/// they had gathered is lost.
///
/// ```
/// use coro_core::prelude::*;
/// async_fn! {
///     async fn eggs() yields u64 { for egg in 1.. { yield!(egg); } }
///
///     async fn cook() -> Vec<String> {
///         let boil = |egg| { sleep(millis(egg)).co_await()?; Ok(format!("egg {egg}")) };
///         let mut served = Vec::new();
///         async for egg in eggs().aiter().step_by(2).map(boil).take(2) { served.push(egg); }
///         for egg in eggs().aiter().skip(7).map(boil).take(1) { served.push(egg?); }
///         served
///     }
/// }
/// assert_eq!(coro_core::run(cook())?, ["egg 1", "egg 3", "egg 8"]);
/// # Ok::<(), Error>(())
/// ```
#[must_use = "an asynchronous iterator does nothing until it is read"]
pub struct Aiter<I> {
    source: I,
}

/// An asynchronous iterator with adaptors; the builtin `aiter(iterator)`.
///
/// ```
/// use coro_core::{aiter, async_generator, prelude::*};
/// let eggs = async_generator(|y: &coro_core::Yielder<u32>| (1..=3).try_for_each(|n| y.yield_(n)));
/// assert_eq!(aiter(eggs).collect::<Vec<_>>()?, [1, 2, 3]);
/// # Ok::<(), Error>(())
/// ```
pub fn aiter<I: AsyncIterator>(iterator: I) -> Aiter<I> {
    Aiter { source: iterator }
}

/// What an adaptor reads, and closes.
trait Sources {
    fn close(&mut self) -> Result<()>;
}

struct One<I>(I);

struct Two<I, J>(I, J);

/// An iterator, and the one that its last item gave.
struct Nested<I, J>(I, Option<J>);

impl<I: AsyncIterator> Sources for One<I> {
    fn close(&mut self) -> Result<()> {
        self.0.aclose()
    }
}

impl<I: AsyncIterator, J: AsyncIterator> Sources for Two<I, J> {
    fn close(&mut self) -> Result<()> {
        let first = self.0.aclose();
        both(first, self.1.aclose())
    }
}

impl<I: AsyncIterator, J: AsyncIterator> Sources for Nested<I, J> {
    fn close(&mut self) -> Result<()> {
        let inner = self.1.as_mut().map_or(Ok(()), AsyncIterator::aclose);
        both(inner, self.0.aclose())
    }
}

/// The later error, whose cause is the earlier one if it has no other.
pub(crate) fn both<T>(first: Result<T>, second: Result<()>) -> Result<T> {
    match (first, second) {
        (first, Ok(())) => first,
        (Ok(_), Err(error)) => Err(error),
        (Err(earlier), Err(error)) => Err(error.or_cause(earlier)),
    }
}

/// What it reads, and how it gets an item from there.
struct Adapted<S, F> {
    sources: S,
    next: F,
}

impl<S, T, F> AsyncIterator for Adapted<S, F>
where
    S: Sources,
    F: FnMut(&mut S) -> Result<Option<T>>,
{
    type Item = T;

    fn anext(&mut self) -> Result<Option<T>> {
        (self.next)(&mut self.sources)
    }

    fn aclose(&mut self) -> Result<()> {
        self.sources.close()
    }
}

fn adapt<S, T, F>(sources: S, next: F) -> Aiter<Adapted<S, F>>
where
    S: Sources,
    F: FnMut(&mut S) -> Result<Option<T>>,
{
    Aiter { source: Adapted { sources, next } }
}

/// Ends an iterator by its own rule: closes what it reads, once, and gives nothing.
fn end<S: Sources, T>(sources: &mut S, ended: &mut bool) -> Result<Option<T>> {
    match std::mem::replace(ended, true) {
        true => Ok(None),
        false => sources.close().map(|()| None),
    }
}

impl<I: AsyncIterator> Aiter<I> {
    pub(crate) fn new(source: I) -> Self {
        Self { source }
    }

    pub(crate) fn into_source(self) -> I {
        self.source
    }

    fn adapted<T, F>(self, next: F) -> Aiter<Adapted<One<I>, F>>
    where
        F: FnMut(&mut One<I>) -> Result<Option<T>>,
    {
        adapt(One(self.source), next)
    }

    /// Runs `f` on it and closes it, whatever comes of `f`. A panic of `f` drops it, which unwinds what is suspended.
    fn closing<T>(mut self, f: impl FnOnce(&mut I) -> Result<T>) -> Result<T> {
        let result = f(&mut self.source);
        both(result, self.source.aclose())
    }

    /// What `f` makes of each item; `f(x) async for x in …`.
    ///
    /// # Cancellation
    /// As [`Aiter`]: the item that `f` has in hand is lost.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # fn eggs() -> coro_core::Aiter<impl AsyncIterator<Item = u64>> {
    /// #     coro_core::async_generator(|y: &coro_core::Yielder<u64>| (1..=4).try_for_each(|n| y.yield_(n))).aiter()
    /// # }
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let boiled = eggs().map(|egg| { sleep(secs(egg)).co_await()?; Ok(10 * egg) }); // eggs() gives 1 to 4
    /// assert_eq!(boiled.collect::<Vec<_>>()?, [10, 20, 30, 40]);
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn map<T>(self, mut f: impl FnMut(I::Item) -> Result<T>) -> Aiter<impl AsyncIterator<Item = T>> {
        self.adapted(move |One(source)| source.anext()?.map(&mut f).transpose())
    }

    /// The items for which `test` gives `true`; `x async for x in … if test(x)`.
    ///
    /// # Cancellation
    /// As [`Aiter`]: the item that is tested is lost.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # fn eggs() -> coro_core::Aiter<impl AsyncIterator<Item = u64>> {
    /// #     coro_core::async_generator(|y: &coro_core::Yielder<u64>| (1..=4).try_for_each(|n| y.yield_(n))).aiter()
    /// # }
    /// assert_eq!(eggs().filter(|egg| Ok(egg % 2 == 0)).collect::<Vec<_>>()?, [2, 4]);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn filter(
        self,
        mut test: impl FnMut(&I::Item) -> Result<bool>,
    ) -> Aiter<impl AsyncIterator<Item = I::Item>> {
        self.filter_map(move |item| Ok(test(&item)?.then_some(item)))
    }

    /// Those that `f` gives of the items.
    ///
    /// # Cancellation
    /// As [`Aiter`]: the item that `f` has in hand is lost.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # fn eggs() -> coro_core::Aiter<impl AsyncIterator<Item = u64>> {
    /// #     coro_core::async_generator(|y: &coro_core::Yielder<u64>| (1..=4).try_for_each(|n| y.yield_(n))).aiter()
    /// # }
    /// assert_eq!(eggs().filter_map(|egg| Ok(egg.checked_sub(3))).collect::<Vec<_>>()?, [0, 1]);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn filter_map<T>(
        self,
        mut f: impl FnMut(I::Item) -> Result<Option<T>>,
    ) -> Aiter<impl AsyncIterator<Item = T>> {
        self.adapted(move |One(source)| {
            while let Some(item) = source.anext()? {
                let item = f(item)?;
                if item.is_some() {
                    return Ok(item);
                }
            }
            Ok(None)
        })
    }

    /// The items with their numbers, from 0.
    ///
    /// # Cancellation
    /// As [`Aiter`]; nothing is lost.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # fn eggs() -> coro_core::Aiter<impl AsyncIterator<Item = u64>> {
    /// #     coro_core::async_generator(|y: &coro_core::Yielder<u64>| (1..=4).try_for_each(|n| y.yield_(n))).aiter()
    /// # }
    /// assert_eq!(eggs().enumerate().last()?, Some((3, 4)));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn enumerate(self) -> Aiter<impl AsyncIterator<Item = (usize, I::Item)>> {
        let mut numbers = 0..;
        self.adapted(move |One(source)| Ok(source.anext()?.and_then(|item| Some((numbers.next()?, item)))))
    }

    /// The first `amount` items; what it reads is closed after them.
    ///
    /// # Cancellation
    /// As [`Aiter`]; nothing is lost.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # fn eggs() -> coro_core::Aiter<impl AsyncIterator<Item = u64>> {
    /// #     coro_core::async_generator(|y: &coro_core::Yielder<u64>| (1..=4).try_for_each(|n| y.yield_(n))).aiter()
    /// # }
    /// assert_eq!(eggs().take(2).collect::<Vec<_>>()?, [1, 2]);
    /// // What is lent stays open for the one who lent it.
    /// let mut some = eggs();
    /// assert_eq!((&mut some).aiter().take(2).count()?, 2);
    /// assert_eq!(some.anext()?, Some(3));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn take(self, amount: usize) -> Aiter<impl AsyncIterator<Item = I::Item>> {
        let (mut left, mut ended) = (amount, false);
        self.adapted(move |sources| {
            if left == 0 {
                return end(sources, &mut ended);
            }
            let item = sources.0.anext()?;
            left = if item.is_some() { left - 1 } else { 0 };
            Ok(item)
        })
    }

    /// The items up to the first for which `test` gives `false`; what it reads is closed then.
    ///
    /// # Cancellation
    /// As [`Aiter`]: the item that is tested is lost.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # fn eggs() -> coro_core::Aiter<impl AsyncIterator<Item = u64>> {
    /// #     coro_core::async_generator(|y: &coro_core::Yielder<u64>| (1..=4).try_for_each(|n| y.yield_(n))).aiter()
    /// # }
    /// assert_eq!(eggs().take_while(|egg| Ok(*egg < 3)).collect::<Vec<_>>()?, [1, 2]);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn take_while(
        self,
        mut test: impl FnMut(&I::Item) -> Result<bool>,
    ) -> Aiter<impl AsyncIterator<Item = I::Item>> {
        let mut ended = false;
        self.adapted(move |sources| {
            if ended {
                return Ok(None);
            }
            match sources.0.anext()? {
                Some(item) if test(&item)? => Ok(Some(item)),
                Some(last) => {
                    drop(last);
                    end(sources, &mut ended)
                }
                None => Ok(None),
            }
        })
    }

    /// The items after the first `amount`.
    ///
    /// # Cancellation
    /// As [`Aiter`]: what was skipped stays skipped.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # fn eggs() -> coro_core::Aiter<impl AsyncIterator<Item = u64>> {
    /// #     coro_core::async_generator(|y: &coro_core::Yielder<u64>| (1..=4).try_for_each(|n| y.yield_(n))).aiter()
    /// # }
    /// assert_eq!(eggs().skip(2).collect::<Vec<_>>()?, [3, 4]);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn skip(self, amount: usize) -> Aiter<impl AsyncIterator<Item = I::Item>> {
        let mut left = amount;
        self.skip_while(move |_| {
            let skipped = left > 0;
            left = left.saturating_sub(1);
            Ok(skipped)
        })
    }

    /// The items from the first for which `test` gives `false`.
    ///
    /// # Cancellation
    /// As [`Aiter`]: the item that is tested is lost.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # fn eggs() -> coro_core::Aiter<impl AsyncIterator<Item = u64>> {
    /// #     coro_core::async_generator(|y: &coro_core::Yielder<u64>| (1..=4).try_for_each(|n| y.yield_(n))).aiter()
    /// # }
    /// assert_eq!(eggs().skip_while(|egg| Ok(egg % 2 == 1)).collect::<Vec<_>>()?, [2, 3, 4]);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn skip_while(
        self,
        mut test: impl FnMut(&I::Item) -> Result<bool>,
    ) -> Aiter<impl AsyncIterator<Item = I::Item>> {
        let mut skipping = true;
        self.filter(move |item| {
            skipping = skipping && test(item)?;
            Ok(!skipping)
        })
    }

    /// The first item, and each that is `step` after the one before.
    ///
    /// # Cancellation
    /// As [`Aiter`]: what was passed by stays so.
    ///
    /// # Panics
    /// If `step` is 0, as std's.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # fn eggs() -> coro_core::Aiter<impl AsyncIterator<Item = u64>> {
    /// #     coro_core::async_generator(|y: &coro_core::Yielder<u64>| (1..=4).try_for_each(|n| y.yield_(n))).aiter()
    /// # }
    /// assert_eq!(eggs().step_by(3).collect::<Vec<_>>()?, [1, 4]);
    /// # Ok::<(), Error>(())
    /// ```
    #[track_caller]
    pub fn step_by(self, step: usize) -> Aiter<impl AsyncIterator<Item = I::Item>> {
        assert!(step > 0, "a step of 0 leads nowhere");
        let mut passed_by = 0;
        self.filter(move |_| {
            let wanted = passed_by == 0;
            passed_by = (passed_by + 1) % step;
            Ok(wanted)
        })
    }

    /// Its items, then those of `other`.
    ///
    /// # Cancellation
    /// As [`Aiter`]; nothing is lost.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # fn eggs() -> coro_core::Aiter<impl AsyncIterator<Item = u64>> {
    /// #     coro_core::async_generator(|y: &coro_core::Yielder<u64>| (1..=4).try_for_each(|n| y.yield_(n))).aiter()
    /// # }
    /// assert_eq!(eggs().take(1).chain(eggs().skip(3)).collect::<Vec<_>>()?, [1, 4]);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn chain<J>(self, other: J) -> Aiter<impl AsyncIterator<Item = I::Item>>
    where
        J: AsyncIterator<Item = I::Item>,
    {
        let mut first_ended = false;
        adapt(Two(self.source, other), move |Two(first, second)| {
            if !first_ended {
                let item = first.anext()?;
                if item.is_some() {
                    return Ok(item);
                }
                first_ended = true;
            }
            second.anext()
        })
    }

    /// Pairs of its items and those of `other`, until one of them ends; the other one is closed then.
    ///
    /// One is asked after the other; [`gather`](crate::gather) asks at the same time.
    ///
    /// # Cancellation
    /// As [`Aiter`]: an item that waits for its partner is kept for the next time.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # fn eggs() -> coro_core::Aiter<impl AsyncIterator<Item = u64>> {
    /// #     coro_core::async_generator(|y: &coro_core::Yielder<u64>| (1..=4).try_for_each(|n| y.yield_(n))).aiter()
    /// # }
    /// assert_eq!(eggs().zip(eggs().skip(2)).collect::<Vec<_>>()?, [(1, 3), (2, 4)]);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn zip<J>(self, other: J) -> Aiter<impl AsyncIterator<Item = (I::Item, J::Item)>>
    where
        J: AsyncIterator,
    {
        let (mut waiting, mut ended) = (None, false);
        adapt(Two(self.source, other), move |sources| {
            if ended {
                return Ok(None);
            }
            if waiting.is_none() {
                waiting = sources.0.anext()?;
            }
            if waiting.is_some()
                && let Some(right) = sources.1.anext()?
            {
                return Ok(waiting.take().map(|left| (left, right)));
            }
            drop(waiting.take());
            end(sources, &mut ended)
        })
    }

    /// The items of what `f` makes of each item, one after the other.
    ///
    /// # Cancellation
    /// As [`Aiter`]: the item that `f` has in hand is lost.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # fn eggs() -> coro_core::Aiter<impl AsyncIterator<Item = u64>> {
    /// #     coro_core::async_generator(|y: &coro_core::Yielder<u64>| (1..=4).try_for_each(|n| y.yield_(n))).aiter()
    /// # }
    /// let up_to = |egg| Ok(eggs().take_while(move |n| Ok(*n <= egg)));
    /// assert_eq!(eggs().take(3).flat_map(up_to).collect::<Vec<_>>()?, [1, 1, 2, 1, 2, 3]);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn flat_map<J>(
        self,
        mut f: impl FnMut(I::Item) -> Result<J>,
    ) -> Aiter<impl AsyncIterator<Item = J::Item>>
    where
        J: AsyncIterator,
    {
        adapt(Nested(self.source, None), move |Nested(source, inner): &mut Nested<I, J>| {
            loop {
                if let Some(inner) = inner {
                    let item = inner.anext()?;
                    if item.is_some() {
                        return Ok(item);
                    }
                }
                drop(inner.take());
                let Some(item) = source.anext()? else { return Ok(None) };
                *inner = Some(f(item)?);
            }
        })
    }

    /// The items of its items, one iterator after the other.
    ///
    /// # Cancellation
    /// As [`Aiter`]; nothing is lost.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # fn eggs() -> coro_core::Aiter<impl AsyncIterator<Item = u64>> {
    /// #     coro_core::async_generator(|y: &coro_core::Yielder<u64>| (1..=4).try_for_each(|n| y.yield_(n))).aiter()
    /// # }
    /// let boxes = eggs().take(2).map(|_| Ok(eggs().take(2)));
    /// assert_eq!(boxes.flatten().collect::<Vec<_>>()?, [1, 2, 1, 2]);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn flatten(self) -> Aiter<impl AsyncIterator<Item = <I::Item as AsyncIterator>::Item>>
    where
        I::Item: AsyncIterator,
    {
        self.flat_map(Ok)
    }

    /// The same items, each shown to `f` on its way.
    ///
    /// # Cancellation
    /// As [`Aiter`]: the item that is shown is lost.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # fn eggs() -> coro_core::Aiter<impl AsyncIterator<Item = u64>> {
    /// #     coro_core::async_generator(|y: &coro_core::Yielder<u64>| (1..=4).try_for_each(|n| y.yield_(n))).aiter()
    /// # }
    /// let mut seen = 0;
    /// assert_eq!(eggs().inspect(|egg| { seen += egg; Ok(()) }).count()?, 4);
    /// assert_eq!(seen, 10);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn inspect(
        self,
        mut f: impl FnMut(&I::Item) -> Result<()>,
    ) -> Aiter<impl AsyncIterator<Item = I::Item>> {
        self.map(move |item| f(&item).map(|()| item))
    }

    /// The same items; after its first end it is not asked again.
    ///
    /// # Cancellation
    /// As [`Aiter`]; nothing is lost.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// struct OnOff(bool);
    /// impl AsyncIterator for OnOff {
    ///     type Item = ();
    ///     fn anext(&mut self) -> Result<Option<()>> { self.0 = !self.0; Ok(self.0.then_some(())) }
    /// }
    /// let mut once = OnOff(false).aiter().fuse();
    /// assert_eq!([once.anext()?, once.anext()?, once.anext()?], [Some(()), None, None]);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn fuse(self) -> Aiter<impl AsyncIterator<Item = I::Item>> {
        let mut ended = false;
        self.adapted(move |One(source)| {
            if ended {
                return Ok(None);
            }
            let item = source.anext()?;
            ended = item.is_none();
            Ok(item)
        })
    }

    /// The same items, and a look at the next one before it is taken.
    ///
    /// # Cancellation
    /// As [`Aiter`]; nothing is lost.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # fn eggs() -> coro_core::Aiter<impl AsyncIterator<Item = u64>> {
    /// #     coro_core::async_generator(|y: &coro_core::Yielder<u64>| (1..=4).try_for_each(|n| y.yield_(n))).aiter()
    /// # }
    /// let mut eggs = eggs().peekable();
    /// assert_eq!((eggs.peek()?.copied(), eggs.anext()?, eggs.anext()?), (Some(1), Some(1), Some(2)));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn peekable(self) -> Peekable<I> {
        Peekable { source: self.source, peeked: None }
    }

    /// The same with a type that can be named, for a struct field, or for a list of different ones.
    ///
    /// # Cancellation
    /// As [`Aiter`]; nothing is lost.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # fn eggs() -> coro_core::Aiter<impl AsyncIterator<Item = u64>> {
    /// #     coro_core::async_generator(|y: &coro_core::Yielder<u64>| (1..=4).try_for_each(|n| y.yield_(n))).aiter()
    /// # }
    /// use coro_core::Aiter;
    /// let mut both: Vec<Aiter<Box<dyn AsyncIterator<Item = u64>>>> = vec![eggs().boxed(), eggs().skip(1).boxed()];
    /// assert_eq!((both[0].anext()?, both[1].anext()?), (Some(1), Some(2)));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn boxed<'a>(self) -> Aiter<Box<dyn AsyncIterator<Item = I::Item> + 'a>>
    where
        I: 'a,
    {
        Aiter { source: Box::new(self.source) }
    }

    /// All items, in any collection that can be made from an iterator; `[x async for x in …]`. It is closed after that.
    ///
    /// # Errors
    /// The first that is raised.
    ///
    /// # Cancellation
    /// As [`Aiter`]: what was gathered is lost, and the iterator is closed.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # fn eggs() -> coro_core::Aiter<impl AsyncIterator<Item = u64>> {
    /// #     coro_core::async_generator(|y: &coro_core::Yielder<u64>| (1..=4).try_for_each(|n| y.yield_(n))).aiter()
    /// # }
    /// use std::collections::HashMap;
    /// let squares: HashMap<u64, u64> = eggs().map(|n| Ok((n, n * n))).collect()?;
    /// assert_eq!(squares[&4], 16);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn collect<C: FromIterator<I::Item>>(self) -> Result<C> {
        self.closing(|source| {
            let mut raised = None;
            let items = std::iter::from_fn(|| match raised.is_none().then(|| source.anext())? {
                Ok(item) => item,
                Err(error) => {
                    raised = Some(error);
                    None
                }
            });
            let collected = items.collect();
            match raised {
                None => Ok(collected),
                Some(error) => Err(error),
            }
        })
    }

    /// What `f` makes of all items, one after the other, beginning with `first`. It is closed after that.
    ///
    /// # Errors
    /// The first that is raised.
    ///
    /// # Cancellation
    /// As [`collect`](Self::collect).
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # fn eggs() -> coro_core::Aiter<impl AsyncIterator<Item = u64>> {
    /// #     coro_core::async_generator(|y: &coro_core::Yielder<u64>| (1..=4).try_for_each(|n| y.yield_(n))).aiter()
    /// # }
    /// assert_eq!(eggs().fold(0, |sum, egg| Ok(sum + egg))?, 10);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn fold<T>(self, first: T, mut f: impl FnMut(T, I::Item) -> Result<T>) -> Result<T> {
        self.closing(|source| {
            let mut folded = first;
            while let Some(item) = source.anext()? {
                folded = f(folded, item)?;
            }
            Ok(folded)
        })
    }

    /// Calls `f` with each item. It is closed after that.
    ///
    /// # Errors
    /// The first that is raised.
    ///
    /// # Cancellation
    /// As [`collect`](Self::collect).
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # fn eggs() -> coro_core::Aiter<impl AsyncIterator<Item = u64>> {
    /// #     coro_core::async_generator(|y: &coro_core::Yielder<u64>| (1..=4).try_for_each(|n| y.yield_(n))).aiter()
    /// # }
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// eggs().for_each(|egg| sleep(secs(egg)).co_await())?;
    /// assert_eq!(get_running_loop()?.time(), secs(10));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn for_each(self, mut f: impl FnMut(I::Item) -> Result<()>) -> Result<()> {
        self.fold((), move |(), item| f(item))
    }

    /// How many items there are. It is closed after that.
    ///
    /// # Errors
    /// The first that is raised.
    ///
    /// # Cancellation
    /// As [`collect`](Self::collect).
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # fn eggs() -> coro_core::Aiter<impl AsyncIterator<Item = u64>> {
    /// #     coro_core::async_generator(|y: &coro_core::Yielder<u64>| (1..=4).try_for_each(|n| y.yield_(n))).aiter()
    /// # }
    /// assert_eq!(eggs().count()?, 4);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn count(self) -> Result<usize> {
        self.fold(0, |count, _| Ok(count + 1))
    }

    /// The last item. It is closed after that.
    ///
    /// # Errors
    /// The first that is raised.
    ///
    /// # Cancellation
    /// As [`collect`](Self::collect).
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # fn eggs() -> coro_core::Aiter<impl AsyncIterator<Item = u64>> {
    /// #     coro_core::async_generator(|y: &coro_core::Yielder<u64>| (1..=4).try_for_each(|n| y.yield_(n))).aiter()
    /// # }
    /// assert_eq!((eggs().last()?, eggs().take(0).last()?), (Some(4), None));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn last(self) -> Result<Option<I::Item>> {
        self.fold(None, |_, item| Ok(Some(item)))
    }

    /// The item after the first `number`. It is closed after that.
    ///
    /// # Errors
    /// The first that is raised.
    ///
    /// # Cancellation
    /// As [`collect`](Self::collect).
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # fn eggs() -> coro_core::Aiter<impl AsyncIterator<Item = u64>> {
    /// #     coro_core::async_generator(|y: &coro_core::Yielder<u64>| (1..=4).try_for_each(|n| y.yield_(n))).aiter()
    /// # }
    /// assert_eq!((eggs().nth(0)?, eggs().nth(3)?, eggs().nth(4)?), (Some(1), Some(4), None));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn nth(self, number: usize) -> Result<Option<I::Item>> {
        let mut left = number;
        self.find(move |_| {
            let found = left == 0;
            left = left.saturating_sub(1);
            Ok(found)
        })
    }

    /// The first item for which `test` gives `true`. It is closed after that: what is behind that item is not read.
    ///
    /// # Errors
    /// The first that is raised.
    ///
    /// # Cancellation
    /// As [`collect`](Self::collect).
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # fn eggs() -> coro_core::Aiter<impl AsyncIterator<Item = u64>> {
    /// #     coro_core::async_generator(|y: &coro_core::Yielder<u64>| (1..=4).try_for_each(|n| y.yield_(n))).aiter()
    /// # }
    /// assert_eq!(eggs().find(|egg| Ok(egg % 3 == 0))?, Some(3));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn find(self, mut test: impl FnMut(&I::Item) -> Result<bool>) -> Result<Option<I::Item>> {
        self.closing(|source| {
            while let Some(item) = source.anext()? {
                if test(&item)? {
                    return Ok(Some(item));
                }
            }
            Ok(None)
        })
    }

    /// Whether `test` gives `true` for one of the items. It is closed after the first such.
    ///
    /// # Errors
    /// The first that is raised.
    ///
    /// # Cancellation
    /// As [`collect`](Self::collect).
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # fn eggs() -> coro_core::Aiter<impl AsyncIterator<Item = u64>> {
    /// #     coro_core::async_generator(|y: &coro_core::Yielder<u64>| (1..=4).try_for_each(|n| y.yield_(n))).aiter()
    /// # }
    /// assert!(eggs().any(|egg| Ok(egg == 2))? && !eggs().any(|egg| Ok(egg == 9))?);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn any(self, mut test: impl FnMut(I::Item) -> Result<bool>) -> Result<bool> {
        self.closing(|source| {
            while let Some(item) = source.anext()? {
                if test(item)? {
                    return Ok(true);
                }
            }
            Ok(false)
        })
    }

    /// Whether `test` gives `true` for all items. It is closed after the first for which it does not.
    ///
    /// # Errors
    /// The first that is raised.
    ///
    /// # Cancellation
    /// As [`collect`](Self::collect).
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # fn eggs() -> coro_core::Aiter<impl AsyncIterator<Item = u64>> {
    /// #     coro_core::async_generator(|y: &coro_core::Yielder<u64>| (1..=4).try_for_each(|n| y.yield_(n))).aiter()
    /// # }
    /// assert!(eggs().all(|egg| Ok(egg < 9))? && !eggs().all(|egg| Ok(egg == 1))?);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn all(self, mut test: impl FnMut(I::Item) -> Result<bool>) -> Result<bool> {
        self.any(move |item| Ok(!test(item)?)).map(|failed| !failed)
    }
}

impl<I: AsyncIterator> AsyncIterator for Aiter<I> {
    type Item = I::Item;

    fn anext(&mut self) -> Result<Option<I::Item>> {
        self.source.anext()
    }

    fn aclose(&mut self) -> Result<()> {
        self.source.aclose()
    }
}

impl<I: AsyncIterator> IntoIterator for Aiter<I> {
    type Item = Result<I::Item>;
    type IntoIter = SuspendingIter<I>;

    fn into_iter(self) -> SuspendingIter<I> {
        SuspendingIter { source: self.source }
    }
}

impl<I> Debug for Aiter<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<async iterator>")
    }
}

/// An asynchronous iterator as an ordinary one of results, whose `next` suspends the task; [`Aiter`] turns into it.
///
/// # Errors
/// They are items: `for item in iterator { let item = item?; … }`, `iterator.collect::<Result<Vec<_>>>()?`.
///
/// # Cancellation
/// It is an error as others, in place of an item: pass it on. What does without results (`flatten`, `filter_map(Result::ok)`)
/// would swallow it.
///
/// ```
/// # use coro_core::prelude::*;
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// let ticks: coro_core::SuspendingIter<_> = coro_core::interval(secs(1)).aiter().into_iter();
/// let ticks = ticks.take(3).collect::<Result<Vec<Duration>>>()?;
/// assert_eq!(ticks, [secs(0), secs(1), secs(2)]);
/// # Ok(())
/// # })).unwrap();
/// ```
#[must_use = "an iterator does nothing until it is read"]
pub struct SuspendingIter<I> {
    source: I,
}

impl<I: AsyncIterator> Iterator for SuspendingIter<I> {
    type Item = Result<I::Item>;

    fn next(&mut self) -> Option<Result<I::Item>> {
        self.source.anext().transpose()
    }
}

impl<I> Debug for SuspendingIter<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<iterator of an async iterator>")
    }
}

/// An asynchronous iterator whose next item can be looked at; made by [`Aiter::peekable`].
///
/// ```
/// # use coro_core::prelude::*;
/// use coro_core::{Peekable, Yielder, async_generator};
/// let words = async_generator(|y: &Yielder<&str>| ["egg", "egg", "pan"].into_iter().try_for_each(|w| y.yield_(w)));
/// let mut words: Peekable<_> = words.aiter().peekable();
/// let mut eggs = 0;
/// while words.next_if(|word| Ok(*word == "egg"))?.is_some() { eggs += 1; }
/// assert_eq!((eggs, words.anext()?), (2, Some("pan")));
/// # Ok::<(), Error>(())
/// ```
#[must_use = "an asynchronous iterator does nothing until it is read"]
pub struct Peekable<I: AsyncIterator> {
    source: I,
    /// What was looked at and not taken; the inner `None` is the end.
    peeked: Option<Option<I::Item>>,
}

impl<I: AsyncIterator> Peekable<I> {
    /// The next item, which stays the next one.
    ///
    /// # Errors
    /// What is raised instead of an item. It is not kept: who asks again gets what comes next.
    ///
    /// # Cancellation
    /// As [`AsyncIterator::anext`].
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// let one = coro_core::async_generator(|y: &coro_core::Yielder<u32>| y.yield_(5));
    /// let mut one = one.aiter().peekable();
    /// assert_eq!((one.peek()?.copied(), one.anext()?, one.peek()?), (Some(5), Some(5), None));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn peek(&mut self) -> Result<Option<&I::Item>> {
        let peeked = match self.peeked.take() {
            Some(peeked) => peeked,
            None => self.source.anext()?,
        };
        Ok(self.peeked.insert(peeked).as_ref())
    }

    /// The next item, if `test` gives `true` for it; else it stays the next one.
    ///
    /// # Errors
    /// As [`peek`](Self::peek); what `test` raises, and the item stays then too.
    ///
    /// # Cancellation
    /// As [`AsyncIterator::anext`].
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// let one = coro_core::async_generator(|y: &coro_core::Yielder<u32>| y.yield_(5));
    /// let mut one = one.aiter().peekable();
    /// assert_eq!((one.next_if(|n| Ok(*n > 5))?, one.next_if(|n| Ok(*n == 5))?), (None, Some(5)));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn next_if(&mut self, test: impl FnOnce(&I::Item) -> Result<bool>) -> Result<Option<I::Item>> {
        match self.peek()? {
            Some(item) if test(item)? => self.anext(),
            _ => Ok(None),
        }
    }
}

impl<I: AsyncIterator> AsyncIterator for Peekable<I> {
    type Item = I::Item;

    fn anext(&mut self) -> Result<Option<I::Item>> {
        match self.peeked.take() {
            Some(peeked) => Ok(peeked),
            None => self.source.anext(),
        }
    }

    fn aclose(&mut self) -> Result<()> {
        drop(self.peeked.take());
        self.source.aclose()
    }
}

impl<I: AsyncIterator> Debug for Peekable<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<peekable async iterator>")
    }
}
