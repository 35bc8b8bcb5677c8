//! Queues between tasks: first in first out, last in first out, and by priority.
//!
//! The steps are CPython's: who waits is woken one for each item, and looks again when it runs.
//!
//! Items are the user's: they are dropped, compared and printed where nothing of the queue is borrowed but its storage,
//! and compared and printed where nothing can suspend. A comparison that uses its own queue gets an error.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::fmt::{self, Debug};
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;

use crate::coroutine::{Awaitable, park};
use crate::error::{Error, QueueEmpty, QueueFull, QueueShutDown, Result, RuntimeError, ValueError};
use crate::events::{Waitable, Wakeup, with_running};
use crate::fiber::barrier;
use crate::sync::Event;

/// Where a queue keeps its items. Implemented by the three kinds of this module.
///
/// ```
/// # use coro_core::prelude::*;
/// use coro_core::{BaseQueue, LifoQueue, Queue, Storage};
/// fn backlog<S: Storage<u32>>(queue: &BaseQueue<u32, S>) -> bool { // takes any kind
///     queue.qsize() > 1
/// }
/// assert!(!backlog(&Queue::unbounded()) && !backlog(&LifoQueue::unbounded()));
/// ```
pub trait Storage<T>: Default {
    #[doc(hidden)]
    fn push(&mut self, item: T);
    #[doc(hidden)]
    fn pop(&mut self) -> Option<T>;
    #[doc(hidden)]
    fn count(&self) -> usize;
    /// All of them, as they lie.
    #[doc(hidden)]
    fn iter<'a>(&'a self) -> impl Iterator<Item = &'a T>
    where
        T: 'a;
}

/// First in, first out: the storage of a [`Queue`].
///
/// ```
/// # use coro_core::prelude::*;
/// let queue = coro_core::Queue::unbounded();
/// for n in [2, 1, 3] { queue.put_nowait(n)?; }
/// assert_eq!([queue.get_nowait()?, queue.get_nowait()?], [2, 1]);
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug)]
pub struct Fifo<T>(VecDeque<T>);

/// Last in, first out: the storage of a [`LifoQueue`].
///
/// ```
/// # use coro_core::prelude::*;
/// let queue = coro_core::LifoQueue::unbounded();
/// for n in [2, 1, 3] { queue.put_nowait(n)?; }
/// assert_eq!([queue.get_nowait()?, queue.get_nowait()?], [3, 1]);
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug)]
pub struct Lifo<T>(Vec<T>);

/// The least first: the storage of a [`PriorityQueue`].
///
/// ```
/// # use coro_core::prelude::*;
/// let queue = coro_core::PriorityQueue::unbounded();
/// for n in [2, 1, 3] { queue.put_nowait(n)?; }
/// assert_eq!([queue.get_nowait()?, queue.get_nowait()?], [1, 2]);
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug)]
pub struct Priority<T>(BinaryHeap<Reverse<T>>);

impl<T> Default for Fifo<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T> Default for Lifo<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Ord> Default for Priority<T> {
    fn default() -> Self {
        Self(BinaryHeap::new())
    }
}

impl<T> Storage<T> for Fifo<T> {
    fn push(&mut self, item: T) {
        self.0.push_back(item);
    }

    fn pop(&mut self) -> Option<T> {
        self.0.pop_front()
    }

    fn count(&self) -> usize {
        self.0.len()
    }

    fn iter<'a>(&'a self) -> impl Iterator<Item = &'a T>
    where
        T: 'a,
    {
        self.0.iter()
    }
}

impl<T> Storage<T> for Lifo<T> {
    fn push(&mut self, item: T) {
        self.0.push(item);
    }

    fn pop(&mut self) -> Option<T> {
        self.0.pop()
    }

    fn count(&self) -> usize {
        self.0.len()
    }

    fn iter<'a>(&'a self) -> impl Iterator<Item = &'a T>
    where
        T: 'a,
    {
        self.0.iter()
    }
}

impl<T: Ord> Storage<T> for Priority<T> {
    fn push(&mut self, item: T) {
        barrier("in a comparison of a PriorityQueue", || self.0.push(Reverse(item)));
    }

    fn pop(&mut self) -> Option<T> {
        barrier("in a comparison of a PriorityQueue", || self.0.pop()).map(|Reverse(item)| item)
    }

    fn count(&self) -> usize {
        self.0.len()
    }

    fn iter<'a>(&'a self) -> impl Iterator<Item = &'a T>
    where
        T: 'a,
    {
        self.0.iter().map(|Reverse(item)| item)
    }
}

/// What the three kinds of queues have in common: all but how they are made and which item comes next.
///
/// ```
/// # use coro_core::prelude::*;
/// let queue = coro_core::Queue::unbounded();
/// queue.put_nowait("egg")?; // a method of `BaseQueue`
/// assert_eq!(format!("{queue:?}"), "<Queue maxsize=0 _queue=[\"egg\"] tasks=1>");
/// assert_eq!((queue.qsize(), queue.get_nowait()?), (1, "egg"));
/// # Ok::<(), Error>(())
/// ```
pub struct BaseQueue<T, S: Storage<T>> {
    items: RefCell<S>,
    /// How many items there are, to be asked while a comparison runs.
    count: Cell<usize>,
    bound: Option<usize>,
    getters: Waiting,
    putters: Waiting,
    unfinished: Cell<usize>,
    finished: Event,
    shut_down: Cell<bool>,
    item: std::marker::PhantomData<T>,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident: $storage:ident $(where $bound:path)?;)+) => {$(
        $(#[$doc])*
        pub struct $name<T $(: $bound)?>(BaseQueue<T, $storage<T>>);

        impl<T $(: $bound)?> $name<T> {
            /// A queue for any number of items.
            ///
            /// ```
            #[doc = concat!("let queue = coro_core::", stringify!($name), "::<u32>::unbounded();")]
            /// assert!(queue.empty() && !queue.full() && queue.maxsize().is_none());
            /// ```
            pub fn unbounded() -> Self {
                Self(BaseQueue::with_bound(None))
            }

            /// A queue for `maxsize` items at most. Zero means any number, as in asyncio.
            ///
            /// ```
            #[doc = concat!("let queue = coro_core::", stringify!($name), "::bounded(1);")]
            /// queue.put_nowait("egg")?;
            /// assert!(queue.full());
            /// # Ok::<(), coro_core::Error>(())
            /// ```
            pub fn bounded(maxsize: usize) -> Self {
                Self(BaseQueue::with_bound((maxsize > 0).then_some(maxsize)))
            }
        }

        impl<T $(: $bound)?> Deref for $name<T> {
            type Target = BaseQueue<T, $storage<T>>;

            fn deref(&self) -> &Self::Target {
                &self.0
            }
        }

        impl<T: Debug $(+ $bound)?> Debug for $name<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt_as(stringify!($name), f)
            }
        }
    )+};
}

kinds! {
    /// A queue between tasks of one loop: first in, first out; `asyncio.Queue`.
    ///
    /// ```
    /// use coro_core::{Queue, prelude::*};
    /// use std::rc::Rc;
    /// coro_core::run(coroutine(|| {
    ///     let orders = Rc::new(Queue::bounded(1)); // holds its producers back
    ///     let cook = create_task({ let orders = orders.clone(); coroutine(move || {
    ///         for egg in 1..=3 { orders.put(egg).co_await()?; }
    ///         orders.shutdown(false);
    ///         Ok(())
    ///     }) });
    ///     let mut served = Vec::new();
    ///     while let Ok(egg) = orders.get().co_await() { served.push(egg); }
    ///     assert_eq!(served, [1, 2, 3]);
    ///     cook.co_await()
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    Queue: Fifo;

    /// A queue whose newest item comes first; `asyncio.LifoQueue`.
    ///
    /// ```
    /// let plates = coro_core::LifoQueue::unbounded();
    /// plates.put_nowait(1)?;
    /// plates.put_nowait(2)?;
    /// assert_eq!(plates.get_nowait()?, 2);
    /// # Ok::<(), coro_core::Error>(())
    /// ```
    LifoQueue: Lifo;

    /// A queue whose least item comes first; `asyncio.PriorityQueue`.
    ///
    /// ```
    /// let orders = coro_core::PriorityQueue::unbounded();
    /// orders.put_nowait((2, "toast"))?;
    /// orders.put_nowait((1, "eggs"))?;
    /// assert_eq!(orders.get_nowait()?, (1, "eggs"));
    /// # Ok::<(), coro_core::Error>(())
    /// ```
    PriorityQueue: Priority where Ord;
}

/// Those who wait for an item, or for room.
#[derive(Default)]
struct Waiting(RefCell<VecDeque<Rc<Wakeup>>>);

impl Waiting {
    fn wake_next(&self) {
        loop {
            let Some(next) = self.0.borrow_mut().pop_front() else { return };
            if next.wake() {
                return;
            }
        }
    }

    fn wake_all(&self) {
        for next in self.0.take() {
            // One that was cancelled needs no waking.
            next.wake();
        }
    }

    /// Waits to be woken. After an error, `pass_on` says whether a wake-up that came too is for the next.
    #[inline(always)] // see `suspend`
    fn wait(&self, pass_on: impl FnOnce() -> bool) -> Result<()> {
        /// Takes the entry out, also when a panic passes.
        struct Leave<'a, P: FnOnce() -> bool> {
            waiting: &'a Waiting,
            wakeup: Rc<Wakeup>,
            pass_on: Option<P>,
        }
        impl<P: FnOnce() -> bool> Drop for Leave<'_, P> {
            fn drop(&mut self) {
                if let Some(pass_on) = self.pass_on.take() {
                    Rc::clone(&self.wakeup).cancel(None);
                    let mut queue = self.waiting.0.borrow_mut();
                    if let Some(index) = queue.iter().position(|other| Rc::ptr_eq(other, &self.wakeup)) {
                        queue.remove(index);
                    }
                    drop(queue);
                    if pass_on() && !self.wakeup.is_cancelled() {
                        self.waiting.wake_next();
                    }
                }
                self.wakeup.give_back();
            }
        }
        let wakeup = with_running(Wakeup::new)?;
        self.0.borrow_mut().push_back(Rc::clone(&wakeup));
        let mut leave = Leave { waiting: self, wakeup, pass_on: Some(pass_on) };
        // A driver by hand may go on after it has cancelled what was waited for: that is an error too.
        park(&leave.wakeup)?;
        leave.pass_on = None;
        Ok(())
    }
}

impl<T, S: Storage<T>> BaseQueue<T, S> {
    fn with_bound(bound: Option<usize>) -> Self {
        let finished = Event::new();
        finished.set();
        Self {
            items: RefCell::default(),
            count: Cell::new(0),
            bound,
            getters: Waiting::default(),
            putters: Waiting::default(),
            unfinished: Cell::new(0),
            finished,
            shut_down: Cell::new(false),
            item: std::marker::PhantomData,
        }
    }

    /// How many items fit; `None` for any number.
    ///
    /// ```
    /// assert_eq!(coro_core::Queue::<u32>::bounded(3).maxsize(), Some(3));
    /// ```
    pub fn maxsize(&self) -> Option<usize> {
        self.bound
    }

    /// How many items there are; `queue.qsize()`.
    ///
    /// ```
    /// let queue = coro_core::Queue::unbounded();
    /// queue.put_nowait(1)?;
    /// assert_eq!(queue.qsize(), 1);
    /// # Ok::<(), coro_core::Error>(())
    /// ```
    pub fn qsize(&self) -> usize {
        self.count.get()
    }

    /// Whether there is no item.
    ///
    /// ```
    /// assert!(coro_core::Queue::<u32>::unbounded().empty());
    /// ```
    pub fn empty(&self) -> bool {
        self.qsize() == 0
    }

    /// Whether there is no room.
    ///
    /// ```
    /// assert!(!coro_core::Queue::<u32>::bounded(1).full());
    /// ```
    pub fn full(&self) -> bool {
        self.bound.is_some_and(|bound| self.qsize() >= bound)
    }

    /// Calls `f` with the storage. A comparison of an item that comes back here finds it in use.
    fn with_items<R>(&self, f: impl FnOnce(&mut S) -> R) -> Result<R> {
        let Ok(mut items) = self.items.try_borrow_mut() else {
            return Err(
                RuntimeError::new("a queue cannot be used where its items are compared or printed").into()
            );
        };
        // A comparison may panic, with the item in or out: what is there is counted in any case.
        let result = catch_unwind(AssertUnwindSafe(|| f(&mut items)));
        self.count.set(items.count());
        drop(items);
        Ok(result.unwrap_or_else(|payload| resume_unwind(payload)))
    }

    /// Adds an item, and waits for room first.
    ///
    /// # Errors
    /// When awaited: [`QueueShutDown`].
    ///
    /// # Cancellation
    /// The item is dropped with the wait; nothing was added.
    ///
    /// ```
    /// use coro_core::{Queue, prelude::*};
    /// coro_core::run(coroutine(|| {
    ///     let queue = Queue::bounded(1);
    ///     queue.put(1).co_await()?;
    ///     assert!(wait_for(queue.put(2), millis(1)).co_await().unwrap_err().is_timeout());
    ///     assert_eq!(queue.qsize(), 1);
    ///     Ok(())
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn put(&self, item: T) -> Put<'_, T, S> {
        Put { queue: self, item }
    }

    /// Adds an item if there is room.
    ///
    /// # Errors
    /// [`QueueFull`]; [`QueueShutDown`]. The item is dropped.
    ///
    /// ```
    /// let queue = coro_core::Queue::bounded(1);
    /// queue.put_nowait(1)?;
    /// assert!(queue.put_nowait(2).unwrap_err().is::<coro_core::QueueFull>());
    /// # Ok::<(), coro_core::Error>(())
    /// ```
    pub fn put_nowait(&self, item: T) -> Result<()> {
        if self.shut_down.get() {
            return Err(QueueShutDown.into());
        }
        if self.full() {
            return Err(QueueFull.into());
        }
        self.with_items(|items| items.push(item))?;
        self.unfinished.set(self.unfinished.get() + 1);
        self.finished.clear();
        self.getters.wake_next();
        Ok(())
    }

    /// Takes an item, and waits for one first.
    ///
    /// # Errors
    /// When awaited: [`QueueShutDown`] when the queue was shut down and is empty.
    ///
    /// # Cancellation
    /// No item is lost: one that came at the same moment goes to the next who waits.
    ///
    /// ```
    /// use coro_core::{Queue, prelude::*};
    /// coro_core::run(coroutine(|| {
    ///     let queue = Queue::unbounded();
    ///     queue.put_nowait("egg")?;
    ///     assert_eq!(queue.get().co_await()?, "egg");
    ///     Ok(())
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn get(&self) -> Get<'_, T, S> {
        Get { queue: self }
    }

    /// Takes an item if there is one.
    ///
    /// # Errors
    /// [`QueueEmpty`]; [`QueueShutDown`] when it is empty and was shut down.
    ///
    /// ```
    /// let queue = coro_core::Queue::<u32>::unbounded();
    /// assert!(queue.get_nowait().unwrap_err().is::<coro_core::QueueEmpty>());
    /// ```
    pub fn get_nowait(&self) -> Result<T> {
        let Some(item) = self.with_items(S::pop)? else {
            return Err(if self.shut_down.get() { QueueShutDown.into() } else { Error::new(QueueEmpty) });
        };
        self.putters.wake_next();
        Ok(item)
    }

    /// Says that the work on one item that was taken is done.
    ///
    /// # Errors
    /// [`ValueError`] if it is called more often than items were put.
    ///
    /// ```
    /// let queue = coro_core::Queue::unbounded();
    /// queue.put_nowait(1)?;
    /// queue.get_nowait()?;
    /// queue.task_done()?;
    /// assert_eq!(queue.task_done().unwrap_err().to_string(), "task_done() called too many times");
    /// # Ok::<(), coro_core::Error>(())
    /// ```
    pub fn task_done(&self) -> Result<()> {
        let Some(left) = self.unfinished.get().checked_sub(1) else {
            return Err(ValueError::new("task_done() called too many times").into());
        };
        self.unfinished.set(left);
        if left == 0 {
            self.finished.set();
        }
        Ok(())
    }

    /// Waits until [`task_done`](Self::task_done) was called for every item that was put.
    ///
    /// # Errors
    /// When awaited: [`RuntimeError`] if it must wait where nothing can suspend.
    ///
    /// # Cancellation
    /// Nothing is kept.
    ///
    /// ```
    /// use coro_core::{Queue, prelude::*};
    /// coro_core::run(coroutine(|| Queue::<u32>::unbounded().join().co_await()))?; // nothing to wait for
    /// # Ok::<(), Error>(())
    /// ```
    pub fn join(&self) -> crate::sync::EventWait<'_> {
        self.finished.wait()
    }

    /// Ends it: puts fail from now on, gets go on until it is empty. `immediate` drops the items as well.
    ///
    /// ```
    /// let queue = coro_core::Queue::unbounded();
    /// queue.put_nowait(1)?;
    /// queue.shutdown(false);
    /// assert_eq!(queue.get_nowait()?, 1);
    /// assert!(queue.get_nowait().unwrap_err().is::<coro_core::QueueShutDown>());
    /// # Ok::<(), coro_core::Error>(())
    /// ```
    pub fn shutdown(&self, immediate: bool) {
        self.shut_down.set(true);
        if immediate {
            while let Ok(Some(item)) = self.with_items(S::pop) {
                drop(item);
                self.unfinished.set(self.unfinished.get().saturating_sub(1));
            }
            if self.unfinished.get() == 0 {
                self.finished.set();
            }
        }
        self.getters.wake_all();
        self.putters.wake_all();
    }
}

/// What [`BaseQueue::put`] returns.
///
/// ```
/// # use coro_core::prelude::*;
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// let queue = coro_core::Queue::unbounded();
/// let putting: coro_core::Put<'_, _, _> = queue.put("egg"); // has not begun
/// assert!(queue.empty());
/// putting.co_await()?;
/// assert_eq!(queue.qsize(), 1);
/// # Ok(())
/// # })).unwrap();
/// ```
#[must_use = "it puts only when it is awaited"]
pub struct Put<'a, T, S: Storage<T>> {
    queue: &'a BaseQueue<T, S>,
    item: T,
}

impl<T, S: Storage<T>> Awaitable for Put<'_, T, S> {
    type Output = ();

    #[inline(always)] // see `suspend`
    fn co_await(self) -> Result<()> {
        let queue = self.queue;
        while queue.full() {
            if queue.shut_down.get() {
                return Err(QueueShutDown.into());
            }
            queue.putters.wait(|| !queue.full())?;
        }
        queue.put_nowait(self.item)
    }
}

/// What [`BaseQueue::get`] returns.
///
/// ```
/// # use coro_core::prelude::*;
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// let queue = coro_core::Queue::unbounded();
/// let getting: coro_core::Get<'_, _, _> = queue.get(); // has not begun
/// queue.put_nowait("egg")?;
/// assert_eq!(getting.co_await()?, "egg");
/// # Ok(())
/// # })).unwrap();
/// ```
#[must_use = "it gets only when it is awaited"]
pub struct Get<'a, T, S: Storage<T>> {
    queue: &'a BaseQueue<T, S>,
}

impl<T, S: Storage<T>> Awaitable for Get<'_, T, S> {
    type Output = T;

    #[inline(always)] // see `suspend`
    fn co_await(self) -> Result<T> {
        let queue = self.queue;
        while queue.empty() {
            if queue.shut_down.get() {
                return Err(QueueShutDown.into());
            }
            queue.getters.wait(|| !queue.empty())?;
        }
        queue.get_nowait()
    }
}

impl<T: Debug, S: Storage<T>> BaseQueue<T, S> {
    fn fmt_as(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{name} maxsize={}", self.bound.unwrap_or(0))?;
        // In a comparison of its own items nothing can be told of them.
        if let Some(items) = self.items.try_borrow().ok().filter(|items| items.count() > 0) {
            f.write_str(" _queue=")?;
            barrier("in the Debug of an item of a queue", || f.debug_list().entries(items.iter()).finish())?;
        }
        for (name, waiting) in [("_getters", &self.getters), ("_putters", &self.putters)] {
            match waiting.0.borrow().len() {
                0 => {}
                waiting => write!(f, " {name}[{waiting}]")?,
            }
        }
        match self.unfinished.get() {
            0 => {}
            unfinished => write!(f, " tasks={unfinished}")?,
        }
        f.write_str(if self.shut_down.get() { " shutdown>" } else { ">" })
    }
}

impl<T: Debug, S: Storage<T>> Debug for BaseQueue<T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_as("Queue", f)
    }
}
