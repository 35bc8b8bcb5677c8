//! A channel between threads: between loops, or a loop and threads without one.
//!
//! A task that waits suspends, a thread without a loop blocks. Between the tasks of one loop a [`Queue`](crate::Queue) is
//! cheaper, and has asyncio's names.
//
// Floor: the top. The queue and the list of those who wait are those of the crates `concurrent-queue` and
// `event-listener`; here is where one waits.

use std::fmt::{self, Debug, Display};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use concurrent_queue::{ConcurrentQueue, PopError, PushError};
use event_listener::{Event, EventListener, Listener};

use crate::async_iter::AsyncIterator;
use crate::combinators::wait_for;
use crate::coroutine::Awaitable;
use crate::error::{Elapsed, Error, Result};
use crate::in_place::{Place, place};

struct Shared<T> {
    queue: ConcurrentQueue<T>,
    /// Who waits for a value.
    receiving: Event,
    /// Who waits for room.
    sending: Event,
    senders: AtomicUsize,
    receivers: AtomicUsize,
}

impl<T> Shared<T> {
    /// Takes no more values, and wakes all who wait. False if it was closed already.
    fn close(&self) -> bool {
        let closed = self.queue.close();
        if closed {
            self.receiving.notify(usize::MAX);
            self.sending.notify(usize::MAX);
        }
        closed
    }
}

/// Nobody sends to the channel any more, or nobody receives from it.
///
/// ```
/// use coro_core::channel;
/// let (sender, receiver) = channel::unbounded::<u32>();
/// drop(sender);
/// assert!(receiver.recv().unwrap_err().is::<channel::Closed>());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the channel is closed")]
pub struct Closed;

/// A value that was not sent, and why. `?` makes the reason an [`Error`].
///
/// ```
/// use coro_core::channel;
/// let (sender, receiver) = channel::unbounded();
/// drop(receiver);
/// let refused = sender.send("eggs").unwrap_err();
/// assert_eq!((refused.value, refused.reason.to_string().as_str()), ("eggs", "the channel is closed"));
/// ```
pub struct SendError<T> {
    /// What was to be sent.
    pub value: T,
    /// [`Closed`]; [`QueueFull`](crate::QueueFull) from `try_send`; [`Elapsed`] from `send_timeout`;
    /// [`Cancelled`](crate::Cancelled).
    pub reason: Error,
}

impl<T> Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendError").field("reason", &self.reason.to_string()).finish_non_exhaustive()
    }
}

impl<T> Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(&self.reason, f)
    }
}

impl<T> From<SendError<T>> for Error {
    fn from(error: SendError<T>) -> Self {
        error.reason
    }
}

/// A channel that holds at most `capacity` values; 0 stands for 1.
///
/// ```
/// use coro_core::{channel, prelude::*};
/// let (sender, receiver) = channel::bounded(2);
/// let thread = std::thread::spawn(move || (1..=4).try_for_each(|egg| sender.send(egg)).is_ok());
/// let eggs = coro_core::run(coroutine(move || {
///     let mut eggs = Vec::new();
///     while let Ok(egg) = receiver.recv() {
///         eggs.push(egg); // the task waits, the loop does not
///     }
///     Ok(eggs)
/// }))?;
/// assert_eq!(eggs, [1, 2, 3, 4]);
/// assert!(thread.join().unwrap());
/// # Ok::<(), Error>(())
/// ```
pub fn bounded<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    channel(ConcurrentQueue::bounded(capacity.max(1)))
}

/// A channel without a limit: sending never waits.
///
/// ```
/// let (sender, receiver) = coro_core::channel::unbounded();
/// (1..=1000).for_each(|egg| sender.send(egg).unwrap());
/// assert_eq!((receiver.len(), receiver.recv()?), (1000, 1));
/// # Ok::<(), coro_core::Error>(())
/// ```
pub fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
    channel(ConcurrentQueue::unbounded())
}

fn channel<T>(queue: ConcurrentQueue<T>) -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Shared {
        queue,
        receiving: Event::new(),
        sending: Event::new(),
        senders: AtomicUsize::new(1),
        receivers: AtomicUsize::new(1),
    });
    (Sender { shared: Arc::clone(&shared) }, Receiver { shared })
}

/// How long one may wait, from the first wait on.
struct Patience {
    timeout: Option<Duration>,
    /// The end by the clock of the loop, or by the time since `started`.
    end: Option<Duration>,
    started: Instant,
}

impl Patience {
    fn new(timeout: Option<Duration>) -> Self {
        Self { timeout, end: None, started: Instant::now() }
    }

    /// Waits to be notified: the task suspends, or the thread blocks.
    fn wait(&mut self, listener: EventListener) -> Result<()> {
        let place = place()?;
        let now = match &place {
            Place::Thread => self.started.elapsed(),
            // A task waits by its loop's clock, which may be a virtual one.
            Place::Task(core) => core.clock.now(),
        };
        let left = self.timeout.map(|timeout| {
            let end = *self.end.get_or_insert_with(|| now.saturating_add(timeout));
            end.saturating_sub(now)
        });
        match (place, left) {
            (Place::Thread, None) => listener.wait(),
            (Place::Thread, Some(left)) => listener.wait_timeout(left).ok_or(Elapsed)?,
            (Place::Task(_), None) => listener.co_await()?,
            (Place::Task(_), Some(left)) => wait_for(listener, left).co_await()?,
        }
        Ok(())
    }
}

/// The side that sends, on any thread; a clone is another sender. When the last is dropped, the channel is closed.
///
/// ```
/// let (sender, receiver) = coro_core::channel::unbounded();
/// let threads = [1, 2].map(|n| { let sender = sender.clone(); std::thread::spawn(move || sender.send(n)) });
/// threads.map(|thread| thread.join().unwrap().unwrap());
/// assert_eq!(receiver.recv()? + receiver.recv()?, 3);
/// # Ok::<(), coro_core::Error>(())
/// ```
pub struct Sender<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Sender<T> {
    /// Sends `value`; while the channel is full, the task waits. A thread without a loop blocks.
    ///
    /// # Errors
    /// [`SendError`] with the value: the reason is [`Closed`]; [`RuntimeError`](crate::RuntimeError) where it must
    /// wait and nothing can, as in a callback; [`Cancelled`](crate::Cancelled).
    ///
    /// # Cancellation
    /// The value is given back in the error.
    ///
    /// ```
    /// let (sender, receiver) = coro_core::channel::bounded(1);
    /// sender.send("eggs")?;
    /// assert_eq!(receiver.recv()?, "eggs");
    /// # Ok::<(), coro_core::Error>(())
    /// ```
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        self.send_within(value, Patience::new(None))
    }

    /// As [`send`](Self::send), for `timeout` at most.
    ///
    /// # Errors
    /// As [`send`](Self::send); also [`Elapsed`].
    ///
    /// # Cancellation
    /// As [`send`](Self::send).
    ///
    /// ```
    /// # use coro_core::millis;
    /// let (sender, _receiver) = coro_core::channel::bounded(1);
    /// sender.send(1)?;
    /// let late = sender.send_timeout(2, millis(1)).unwrap_err();
    /// assert!(late.reason.is_timeout() && late.value == 2);
    /// # Ok::<(), coro_core::Error>(())
    /// ```
    pub fn send_timeout(&self, value: T, timeout: Duration) -> Result<(), SendError<T>> {
        self.send_within(value, Patience::new(Some(timeout)))
    }

    fn send_within(&self, mut value: T, mut patience: Patience) -> Result<(), SendError<T>> {
        loop {
            // Who listens first and looks then misses no room.
            let listener = match self.try_push(value) {
                Ok(()) => return Ok(()),
                Err(PushError::Closed(value)) => return Err(SendError { value, reason: Closed.into() }),
                Err(PushError::Full(back)) => {
                    value = back;
                    self.shared.sending.listen()
                }
            };
            match self.try_push(value) {
                Ok(()) => return Ok(()),
                Err(PushError::Closed(value)) => return Err(SendError { value, reason: Closed.into() }),
                Err(PushError::Full(back)) => value = back,
            }
            if let Err(reason) = patience.wait(listener) {
                return Err(SendError { value, reason });
            }
        }
    }

    fn try_push(&self, value: T) -> Result<(), PushError<T>> {
        self.shared.queue.push(value)?;
        self.shared.receiving.notify_additional(1);
        Ok(())
    }

    /// Sends `value` if there is room. It never waits, and may be called anywhere.
    ///
    /// # Errors
    /// [`SendError`] with the value: the reason is [`Closed`], or [`QueueFull`](crate::QueueFull).
    ///
    /// ```
    /// let (sender, _receiver) = coro_core::channel::bounded(1);
    /// sender.try_send(1)?;
    /// assert!(sender.try_send(2).unwrap_err().reason.is::<coro_core::QueueFull>());
    /// # Ok::<(), coro_core::Error>(())
    /// ```
    pub fn try_send(&self, value: T) -> Result<(), SendError<T>> {
        self.try_push(value).map_err(|error| match error {
            PushError::Closed(value) => SendError { value, reason: Closed.into() },
            PushError::Full(value) => SendError { value, reason: crate::error::QueueFull.into() },
        })
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.shared.senders.fetch_add(1, Ordering::Relaxed);
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        if self.shared.senders.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.shared.close();
        }
    }
}

/// The side that receives, on any thread; a clone shares the values with it, each goes to one. When the last is dropped,
/// the channel is closed and what is in it is dropped.
///
/// ```
/// use coro_core::{channel, prelude::*};
/// let (sender, mut receiver) = channel::unbounded();
/// (1..=3).try_for_each(|egg| sender.send(egg))?;
/// drop(sender);
/// let sum = coro_core::run(coroutine(move || {
///     let mut sum = 0;
///     while let Some(egg) = receiver.anext()? { sum += egg; }
///     Ok(sum)
/// }))?;
/// assert_eq!(sum, 6);
/// # Ok::<(), Error>(())
/// ```
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Receiver<T> {
    /// The next value; while there is none, the task waits. A thread without a loop blocks.
    ///
    /// # Errors
    /// [`Closed`] when all values were received and none will come; [`RuntimeError`](crate::RuntimeError) where it must
    /// wait and nothing can, as in a callback.
    ///
    /// # Cancellation
    /// No value is taken: the next one to receive gets it.
    ///
    /// ```
    /// let (sender, receiver) = coro_core::channel::bounded(1);
    /// sender.send("eggs")?;
    /// drop(sender);
    /// assert_eq!(receiver.recv()?, "eggs");
    /// assert!(receiver.recv().is_err());
    /// # Ok::<(), coro_core::Error>(())
    /// ```
    pub fn recv(&self) -> Result<T> {
        self.recv_within(Patience::new(None))
    }

    /// As [`recv`](Self::recv), for `timeout` at most.
    ///
    /// # Errors
    /// As [`recv`](Self::recv); also [`Elapsed`].
    ///
    /// # Cancellation
    /// As [`recv`](Self::recv).
    ///
    /// ```
    /// # use coro_core::millis;
    /// let (_sender, receiver) = coro_core::channel::bounded::<u32>(1);
    /// assert!(receiver.recv_timeout(millis(1)).unwrap_err().is_timeout());
    /// ```
    pub fn recv_timeout(&self, timeout: Duration) -> Result<T> {
        self.recv_within(Patience::new(Some(timeout)))
    }

    fn recv_within(&self, mut patience: Patience) -> Result<T> {
        loop {
            if let Some(value) = self.try_pop()? {
                return Ok(value);
            }
            // Who listens first and looks then misses no value.
            let listener = self.shared.receiving.listen();
            if let Some(value) = self.try_pop()? {
                return Ok(value);
            }
            patience.wait(listener)?;
        }
    }

    fn try_pop(&self) -> Result<Option<T>> {
        match self.shared.queue.pop() {
            Ok(value) => {
                self.shared.sending.notify_additional(1);
                Ok(Some(value))
            }
            Err(PopError::Empty) => Ok(None),
            Err(PopError::Closed) => Err(Closed.into()),
        }
    }

    /// The next value, if there is one now. It never waits, and may be called anywhere.
    ///
    /// # Errors
    /// [`QueueEmpty`](crate::QueueEmpty); [`Closed`] as [`recv`](Self::recv).
    ///
    /// ```
    /// let (sender, receiver) = coro_core::channel::bounded(1);
    /// assert!(receiver.try_recv().unwrap_err().is::<coro_core::QueueEmpty>());
    /// sender.send(1)?;
    /// assert_eq!(receiver.try_recv()?, 1);
    /// # Ok::<(), coro_core::Error>(())
    /// ```
    pub fn try_recv(&self) -> Result<T> {
        self.try_pop()?.ok_or_else(|| crate::error::QueueEmpty.into())
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        self.shared.receivers.fetch_add(1, Ordering::Relaxed);
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        if self.shared.receivers.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.shared.close();
            // Senders may live long, and what nobody will receive should not.
            while self.shared.queue.pop().is_ok() {}
        }
    }
}

/// Ends when the channel is closed and empty.
impl<T> AsyncIterator for Receiver<T> {
    type Item = T;

    fn anext(&mut self) -> Result<Option<T>> {
        match self.recv() {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.is::<Closed>() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// What both sides tell of the channel.
macro_rules! tells {
    ($($side:ident)*) => {$(
        impl<T> $side<T> {
            /// Takes no more values; what is in the channel can still be received. False if it was closed already.
            ///
            /// ```
            /// let (sender, receiver) = coro_core::channel::bounded(1);
            /// sender.send(1)?;
            /// assert!(receiver.close() && !sender.close());
            /// assert!(sender.send(2).is_err());
            /// assert_eq!(receiver.recv()?, 1);
            /// # Ok::<(), coro_core::Error>(())
            /// ```
            pub fn close(&self) -> bool {
                self.shared.close()
            }

            /// Whether it takes no more values.
            ///
            /// ```
            /// let (sender, receiver) = coro_core::channel::bounded::<u32>(1);
            /// drop(receiver);
            /// assert!(sender.is_closed());
            /// ```
            pub fn is_closed(&self) -> bool {
                self.shared.queue.is_closed()
            }

            /// How many values are in it.
            ///
            /// ```
            /// let (sender, receiver) = coro_core::channel::bounded(2);
            /// sender.send(1)?;
            /// assert_eq!((sender.len(), receiver.len()), (1, 1));
            /// # Ok::<(), coro_core::Error>(())
            /// ```
            pub fn len(&self) -> usize {
                self.shared.queue.len()
            }

            /// Whether there is no value in it.
            ///
            /// ```
            /// let (sender, receiver) = coro_core::channel::bounded::<u32>(2);
            /// assert!(sender.is_empty() && receiver.is_empty());
            /// ```
            pub fn is_empty(&self) -> bool {
                self.shared.queue.is_empty()
            }

            /// How many values it can hold; `None` if there is no limit.
            ///
            /// ```
            /// let (sender, _receiver) = coro_core::channel::bounded::<u32>(2);
            /// assert_eq!(sender.capacity(), Some(2));
            /// assert_eq!(coro_core::channel::unbounded::<u32>().0.capacity(), None);
            /// ```
            pub fn capacity(&self) -> Option<usize> {
                self.shared.queue.capacity()
            }
        }

        impl<T> Debug for $side<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let closed = if self.is_closed() { " closed" } else { "" };
                write!(f, concat!("<channel::", stringify!($side), "{} values={}>"), closed, self.len())
            }
        }
    )*};
}

tells! { Sender Receiver }
