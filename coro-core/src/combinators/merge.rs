//! `merge`: several asynchronous iterators read at the same time.

use std::rc::Rc;

use super::crew::Crew;
use crate::async_iter::{Aiter, AsyncIterator, both};
use crate::coroutine::Awaitable;
use crate::error::Result;
use crate::events::running_core;
use crate::queue::Queue;
use crate::sync::Semaphore;

/// What a reader has for the one who asks.
enum News<T> {
    /// An item, and what its reader waits for before it reads on.
    Item(T, Rc<Semaphore>),
    Ended(Result<()>),
}

struct Merged<I: AsyncIterator> {
    /// Until the first item is asked for.
    sources: Vec<I>,
    news: Rc<Queue<News<I::Item>>>,
    /// How many are being read.
    reading: usize,
    crew: Crew,
}

/// The items of several asynchronous iterators, as they come; each is read by a task of its own.
///
/// Reading begins when the first item is asked for, and no iterator is read more than one item ahead. The readers end
/// with the adaptor: dropping or closing it cancels them and waits for them, and they close their iterators; items
/// that were read ahead are lost then. [`Aiter::merge`] is for two of different types.
///
/// # Errors
/// What one of them raises comes out where an item was asked for, and ends that one; whoever asks again gets the items of
/// the others. [`RuntimeError`](crate::RuntimeError) without a running loop.
///
/// # Cancellation
/// Only the waiting is cancelled, and nothing is lost: the readers go on until the adaptor is dropped.
///
/// ```
/// use coro_core::{merge, prelude::*};
/// async_fn! {
///     async fn every(seconds: u64) yields u64 {
///         for _ in 0..2 { await!(sleep(secs(seconds))); yield!(seconds); }
///     }
///     async fn both() -> Vec<u64> { merge([3, 2].map(every)).collect()? }
/// }
/// let both = coro_core::RunBuilder::new().virtual_clock().run(both())?; // after 2, 3, 4 and 6 seconds
/// assert_eq!(both, [2, 3, 2, 3]);
/// # Ok::<(), Error>(())
/// ```
pub fn merge<J>(iterators: J) -> Aiter<impl AsyncIterator<Item = <J::Item as AsyncIterator>::Item>>
where
    J: IntoIterator,
    J::Item: AsyncIterator + 'static, // tasks of their own read them
    <J::Item as AsyncIterator>::Item: 'static,
{
    Aiter::new(Merged {
        sources: iterators.into_iter().collect(),
        news: Rc::new(Queue::unbounded()),
        reading: 0,
        crew: Crew::default(),
    })
}

impl<I> Aiter<I>
where
    I: AsyncIterator + 'static,
    I::Item: 'static,
{
    /// Its items and those of `other`, as they come. As [`merge()`](crate::merge) of both.
    ///
    /// # Errors
    /// As there.
    ///
    /// # Cancellation
    /// As there.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// use coro_core::interval;
    /// let ticks = interval(secs(3)).aiter().map(|_| Ok("tick")).merge(interval(secs(4)).aiter().map(|_| Ok("tock")));
    /// assert_eq!(ticks.take(5).collect::<Vec<_>>()?, ["tick", "tock", "tick", "tock", "tick"]);
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn merge<J>(self, other: J) -> Aiter<impl AsyncIterator<Item = I::Item>>
    where
        J: AsyncIterator<Item = I::Item> + 'static,
    {
        merge([self.boxed(), other.aiter().boxed()])
    }
}

impl<I> Merged<I>
where
    I: AsyncIterator + 'static,
    I::Item: 'static,
{
    fn begin(&mut self) -> Result<()> {
        if self.sources.is_empty() {
            return Ok(());
        }
        running_core()?;
        for source in std::mem::take(&mut self.sources) {
            let permits = Rc::new(Semaphore::new(1));
            let (news, permit) = (Rc::clone(&self.news), Rc::clone(&permits));
            let give = move |item| send(&news, News::Item(item, Rc::clone(&permit)));
            let reader = self.crew.read(source, permits, give);
            let news = Rc::clone(&self.news);
            reader.add_done_callback(move |reader| send(&news, News::Ended(reader.take_result())));
            self.reading += 1;
        }
        Ok(())
    }
}

fn send<T>(news: &Queue<News<T>>, what: News<T>) {
    let put = news.put_nowait(what);
    debug_assert!(put.is_ok(), "the queue has no bound and is never shut down");
}

impl<I> AsyncIterator for Merged<I>
where
    I: AsyncIterator + 'static,
    I::Item: 'static,
{
    type Item = I::Item;

    fn anext(&mut self) -> Result<Option<I::Item>> {
        self.begin()?;
        while self.reading > 0 {
            match self.news.get().co_await()? {
                News::Item(item, permit) => {
                    permit.release();
                    return Ok(Some(item));
                }
                News::Ended(result) => {
                    self.reading -= 1;
                    result?;
                }
            }
        }
        Ok(None)
    }

    fn aclose(&mut self) -> Result<()> {
        self.reading = 0;
        let mut closed = Ok(());
        for mut source in std::mem::take(&mut self.sources) {
            closed = both(closed, source.aclose());
        }
        let ended = self.crew.end();
        while let Ok(news) = self.news.get_nowait() {
            drop(news);
        }
        both(closed, ended)
    }
}

impl<I: AsyncIterator> Drop for Merged<I> {
    fn drop(&mut self) {
        self.crew.dismiss();
    }
}
