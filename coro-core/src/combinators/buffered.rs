//! `buffered`, `buffer_unordered`: the awaitables of an asynchronous iterator, several at once.

use std::cell::Cell;
use std::rc::Rc;

use super::crew::Crew;
use super::wait::wait;
use crate::async_iter::{Aiter, AsyncIterator, both};
use crate::coroutine::Awaitable;
use crate::error::{Result, ValueError};
use crate::events::running_core;
use crate::queue::Queue;
use crate::sync::Semaphore;
use crate::task::{Task, create_task};

/// What the tasks have for the one who reads.
enum News<T> {
    /// One that was begun, or one that is done.
    Task(Task<T>),
    /// The iterator has ended, or failed.
    Ended(Result<()>),
}

struct Buffered<I: AsyncIterator>
where
    I::Item: Awaitable,
{
    /// Until the first item is asked for.
    source: Option<I>,
    amount: usize,
    /// Whether results come in the order of the iterator.
    in_order: bool,
    permits: Rc<Semaphore>,
    news: Rc<Queue<News<<I::Item as Awaitable>::Output>>>,
    /// The one whose result is due, where they come in order.
    due: Option<Task<<I::Item as Awaitable>::Output>>,
    /// How many were begun and not given yet.
    in_flight: Rc<Cell<usize>>,
    /// Nothing is read any more; those that were begun may still come.
    read_to_end: bool,
    crew: Crew,
}

impl<I> Aiter<I>
where
    I: AsyncIterator + 'static, // a task of its own reads it
    I::Item: Awaitable + 'static,
    <I::Item as Awaitable>::Output: 'static,
{
    /// The results of its items, which are awaitables: up to `amount` of them run at once, each as a task. They come in
    /// the order of the iterator; one that is done and waits for its turn counts as one of them.
    ///
    /// The iterator is read by a task of its own, from the first time that an item is asked for, and no further ahead
    /// than `amount`. The tasks end with the adaptor: dropping or closing it cancels those that are left, and
    /// waits for them.
    ///
    /// # Errors
    /// What one of them raises comes out in its place, and the others go on: whoever asks again gets the next one. What
    /// the iterator raises ends it. [`ValueError`] for an `amount` of 0; [`RuntimeError`](crate::RuntimeError)
    /// without a running loop.
    ///
    /// # Cancellation
    /// Only the waiting is cancelled, and nothing is lost: the tasks go on until the adaptor is dropped.
    ///
    /// ```
    /// use coro_core::{async_generator, prelude::*};
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let eggs = async_generator(|y: &coro_core::Yielder<u64>| [2, 1, 2, 1].into_iter().try_for_each(|n| y.yield_(n)));
    /// let boil = |egg| Ok(coroutine(move || { sleep(secs(egg)).co_await()?; Ok(egg) }));
    /// assert_eq!(eggs.aiter().map(boil).buffered(2).collect::<Vec<_>>()?, [2, 1, 2, 1]);
    /// assert_eq!(get_running_loop()?.time(), secs(4)); // two at a time
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn buffered(self, amount: usize) -> Aiter<impl AsyncIterator<Item = <I::Item as Awaitable>::Output>> {
        Aiter::new(Buffered::new(self.into_source(), amount, true))
    }

    /// As [`buffered`](Self::buffered), but the results come as the tasks end.
    ///
    /// # Errors
    /// As there; what one of them raises comes out when it ends.
    ///
    /// # Cancellation
    /// As there.
    ///
    /// ```
    /// use coro_core::{async_generator, prelude::*};
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let eggs = async_generator(|y: &coro_core::Yielder<u64>| [3, 1, 1].into_iter().try_for_each(|n| y.yield_(n)));
    /// let boil = |egg| Ok(coroutine(move || { sleep(secs(egg)).co_await()?; Ok(egg) }));
    /// assert_eq!(eggs.aiter().map(boil).buffer_unordered(2).collect::<Vec<_>>()?, [1, 1, 3]);
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn buffer_unordered(
        self,
        amount: usize,
    ) -> Aiter<impl AsyncIterator<Item = <I::Item as Awaitable>::Output>> {
        Aiter::new(Buffered::new(self.into_source(), amount, false))
    }
}

impl<I> Buffered<I>
where
    I: AsyncIterator + 'static,
    I::Item: Awaitable + 'static,
    <I::Item as Awaitable>::Output: 'static,
{
    fn new(source: I, amount: usize, in_order: bool) -> Self {
        Self {
            source: Some(source),
            amount,
            in_order,
            permits: Rc::new(Semaphore::new(amount)),
            news: Rc::new(Queue::unbounded()),
            due: None,
            in_flight: Rc::default(),
            read_to_end: false,
            crew: Crew::default(),
        }
    }

    /// Lets a task read what is still unread.
    fn begin(&mut self) -> Result<()> {
        if self.source.is_none() {
            return Ok(());
        }
        if self.amount == 0 {
            return Err(ValueError::new("a buffer needs room for one at least").into());
        }
        running_core()?;
        let Some(source) = self.source.take() else { return Ok(()) };
        let (crew, news, in_order) = (self.crew.clone(), Rc::clone(&self.news), self.in_order);
        let in_flight = Rc::clone(&self.in_flight);
        let give = move |item: I::Item| {
            in_flight.set(in_flight.get() + 1);
            let task = create_task(item);
            crew.hire(task.any_task());
            if in_order {
                return send(&news, News::Task(task));
            }
            let news = Rc::clone(&news);
            task.add_done_callback(move |task| send(&news, News::Task(task)));
        };
        let news = Rc::clone(&self.news);
        let reader = self.crew.read(source, Rc::clone(&self.permits), give);
        reader.add_done_callback(move |reader| send(&news, News::Ended(reader.take_result())));
        Ok(())
    }

    /// The next task whose result is to be given; `None` at the end.
    fn next_task(&mut self) -> Result<Option<&Task<<I::Item as Awaitable>::Output>>> {
        while self.due.is_none() {
            if self.read_to_end && self.in_flight.get() == 0 {
                return Ok(None);
            }
            match self.news.get().co_await()? {
                News::Task(task) => self.due = Some(task),
                News::Ended(result) => {
                    self.read_to_end = true;
                    result?;
                }
            }
        }
        Ok(self.due.as_ref())
    }
}

impl<I> AsyncIterator for Buffered<I>
where
    I: AsyncIterator + 'static,
    I::Item: Awaitable + 'static,
    <I::Item as Awaitable>::Output: 'static,
{
    type Item = <I::Item as Awaitable>::Output;

    fn anext(&mut self) -> Result<Option<Self::Item>> {
        self.begin()?;
        let Some(task) = self.next_task()? else { return Ok(None) };
        if !task.done() {
            wait([task]).co_await()?; // a cancellation here leaves it alone, and due
        }
        let Some(task) = self.due.take() else { return Ok(None) };
        self.in_flight.set(self.in_flight.get() - 1);
        self.permits.release();
        task.take_result().map(Some)
    }

    fn aclose(&mut self) -> Result<()> {
        self.read_to_end = true;
        self.in_flight.set(0);
        let unread = self.source.take().map_or(Ok(()), |mut source| source.aclose());
        let ended = self.crew.end();
        drop(self.due.take());
        while let Ok(news) = self.news.get_nowait() {
            drop(news);
        }
        both(unread, ended)
    }
}

impl<I: AsyncIterator> Drop for Buffered<I>
where
    I::Item: Awaitable,
{
    fn drop(&mut self) {
        self.crew.dismiss();
    }
}

fn send<T>(news: &Queue<News<T>>, what: News<T>) {
    let put = news.put_nowait(what);
    debug_assert!(put.is_ok(), "the queue has no bound and is never shut down");
}
