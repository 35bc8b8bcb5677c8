//! `as_completed`: results in the order in which they come.

use std::cell::{Cell, RefCell};
use std::fmt::{self, Debug};
use std::rc::Rc;
use std::time::Duration;

use crate::async_iter::AsyncIterator;
use crate::coroutine::Awaitable;
use crate::error::{Elapsed, Result};
use crate::events::{AnyFuture, LoopCore, Runnable, TimerHandle, get_running_loop};
use crate::queue::Queue;
use crate::task::{EnsuredFuture, ensure_future};

/// What [`as_completed`] returns: an asynchronous iterator, and an ordinary one of awaitables.
///
/// ```
/// # use coro_core::prelude::*;
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// let naps = [2, 1].map(|n| coroutine(move || { sleep(secs(n)).co_await()?; Ok(n) }));
/// let mut naps: coro_core::AsCompleted<u64> = coro_core::as_completed(naps);
/// assert_eq!(naps.anext()?.unwrap().co_await()?, 1);
/// # Ok(())
/// # })).unwrap();
/// ```
#[must_use = "what completes is handed out only when it is iterated"]
pub struct AsCompleted<T> {
    asked: Rc<Asked<T>>,
    /// How many have not been asked for yet.
    left: usize,
}

/// What the iterator and those that it gave have in common: when the last of them goes, nothing is watched any more.
struct Asked<T>(Rc<Shared<T>>);

struct Shared<T> {
    /// Taken when they are handed out.
    futures: RefCell<Vec<Option<EnsuredFuture<T>>>>,
    watches: RefCell<Vec<(AnyFuture, Rc<dyn Runnable>)>>,
    pending: Cell<usize>,
    /// Those that are done, by index; `None` when the time is up.
    done: Queue<Option<usize>>,
    timer: RefCell<Option<TimerHandle>>,
}

/// The done callback of one of them.
struct Watch<T> {
    shared: Rc<Shared<T>>,
    index: usize,
}

impl<T> Runnable for Watch<T> {
    fn run(self: Rc<Self>, _: &Rc<LoopCore>) {
        let pending = self.shared.pending.get();
        if pending > 0 {
            self.shared.pending.set(pending - 1);
            self.shared.report(Some(self.index));
            if pending == 1 {
                self.shared.cancel_timer();
            }
        }
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("as_completed()")
    }

    fn callback_name(&self) -> String {
        format!("as_completed() at {}:{}", file!(), line!())
    }
}

impl<T> Shared<T> {
    fn report(&self, index: Option<usize>) {
        let put = self.done.put_nowait(index);
        debug_assert!(put.is_ok(), "the queue has no bound and is never shut down");
    }

    fn cancel_timer(&self) {
        if let Some(timer) = self.timer.take() {
            timer.cancel();
        }
    }

    fn unwatch(&self) {
        for (future, watch) in self.watches.take() {
            future.0.remove_waiter(&watch);
        }
    }

    fn next_done(&self) -> Result<EnsuredFuture<T>> {
        let Some(index) = self.done.get().co_await()? else { return Err(Elapsed.into()) };
        let future = self.futures.borrow_mut()[index].take();
        future.ok_or_else(|| unreachable!("each index is reported once"))
    }
}

/// Gives awaitables as they complete; `asyncio.as_completed()`. Coroutines become tasks at the call.
///
/// With `async for` (or [`AsyncIterator::anext`]) it gives the futures themselves, done. As an ordinary
/// iterator it gives awaitables: each waits for the next to complete, and gives its result.
///
/// # Errors
/// What was raised in what completed; [`Elapsed`] for those that are not done within
/// [`timeout`](AsCompleted::timeout).
///
/// # Cancellation
/// What is waited for goes on.
///
/// ```
/// use coro_core::{as_completed, prelude::*};
/// async_fn! {
///     async fn boil(minutes: u64) -> u64 {
///         await!(sleep(millis(5 * minutes)));
///         minutes
///     }
///     async fn serve() -> Vec<u64> {
///         let mut served = Vec::new();
///         async for egg in as_completed([3, 1, 2].map(boil)) {
///             served.push(await!(egg)); // is done: costs no time
///         }
///         for next in as_completed([3, 1].map(boil)) {
///             served.push(await!(next));
///         }
///         served
///     }
/// }
/// assert_eq!(coro_core::run(serve())?, [1, 2, 3, 1, 3]);
/// # Ok::<(), Error>(())
/// ```
pub fn as_completed<I, A>(awaitables: I) -> AsCompleted<A::Output>
where
    I: IntoIterator<Item = A>,
    A: Awaitable + 'static,
    A::Output: 'static,
{
    // All of them are there before the first becomes a task: the iterator may make tasks too.
    let awaitables: Vec<A> = awaitables.into_iter().collect();
    let futures: Vec<EnsuredFuture<A::Output>> = awaitables.into_iter().map(ensure_future).collect();
    let handles: Vec<AnyFuture> = futures.iter().map(|future| (**future).clone()).collect();
    let left = futures.len();
    let shared = Rc::new(Shared {
        futures: RefCell::new(futures.into_iter().map(Some).collect()),
        watches: RefCell::default(),
        pending: Cell::new(left),
        done: Queue::unbounded(),
        timer: RefCell::default(),
    });
    for (index, future) in handles.into_iter().enumerate() {
        if future.0.event_loop().is_none() {
            // It failed before it began, for want of a loop: there is nothing that would call back.
            shared.pending.set(shared.pending.get() - 1);
            shared.report(Some(index));
            continue;
        }
        let watch: Rc<dyn Runnable> = Rc::new(Watch { shared: Rc::clone(&shared), index });
        future.0.add_waiter(Rc::clone(&watch));
        shared.watches.borrow_mut().push((future, watch));
    }
    AsCompleted { asked: Rc::new(Asked(shared)), left }
}

impl<T: 'static> AsCompleted<T> {
    /// Gives up after `limit` from now: what is asked for then and is not done raises [`Elapsed`].
    ///
    /// ```
    /// use coro_core::{as_completed, prelude::*};
    /// coro_core::run(coroutine(|| {
    ///     let mut slow = as_completed([sleep(secs(60))]).timeout(millis(5));
    ///     assert!(slow.anext().unwrap_err().is_timeout());
    ///     Ok(())
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn timeout(self, limit: Duration) -> Self {
        let shared = Rc::clone(&self.asked.0);
        shared.cancel_timer(); // that of a limit set before
        let strike = move || {
            shared.unwatch();
            for _ in 0..shared.pending.take() {
                shared.report(None);
            }
        };
        if let Some(event_loop) = get_running_loop().ok().filter(|_| self.asked.0.pending.get() > 0) {
            let timer = event_loop.call_later(limit, strike);
            self.asked.0.timer.replace(Some(timer));
        }
        self
    }
}

impl<T> AsyncIterator for AsCompleted<T> {
    type Item = EnsuredFuture<T>;

    fn anext(&mut self) -> Result<Option<EnsuredFuture<T>>> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        self.asked.0.next_done().map(Some)
    }
}

/// What [`AsCompleted`] gives as an ordinary iterator.
///
/// ```
/// # use coro_core::prelude::*;
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// let naps = [2, 1].map(|n| coroutine(move || { sleep(secs(n)).co_await()?; Ok(n) }));
/// for (place, nap) in coro_core::as_completed(naps).enumerate() {
///     let nap: coro_core::NextCompleted<u64> = nap; // whichever is done next
///     assert_eq!(nap.co_await()?, place as u64 + 1);
/// }
/// # Ok(())
/// # })).unwrap();
/// ```
#[must_use = "it waits only when it is awaited"]
pub struct NextCompleted<T> {
    asked: Rc<Asked<T>>,
}

impl<T> Awaitable for NextCompleted<T> {
    type Output = T;

    fn co_await(self) -> Result<T> {
        self.asked.0.next_done()?.into_result()
    }
}

impl<T> Iterator for AsCompleted<T> {
    type Item = NextCompleted<T>;

    fn next(&mut self) -> Option<NextCompleted<T>> {
        self.left = self.left.checked_sub(1)?;
        Some(NextCompleted { asked: Rc::clone(&self.asked) })
    }
}

impl<T> Drop for Asked<T> {
    fn drop(&mut self) {
        self.0.cancel_timer();
        self.0.unwatch();
    }
}

impl<T> Debug for AsCompleted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<AsCompleted left={}>", self.left)
    }
}
