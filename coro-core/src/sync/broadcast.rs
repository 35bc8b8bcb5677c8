//! Messages that every receiver gets, a bounded number of them kept; tokio's `broadcast`.
//!
//! The sender never waits: a receiver that is too slow loses the oldest messages, and is told how many.
//!
//! ```
//! use coro_core::{broadcast, prelude::*};
//! coro_core::run(coroutine(|| {
//!     let (kitchen, waiter) = broadcast::channel(8);
//!     let guest = kitchen.subscribe();
//!     let serve = |who: broadcast::Receiver<&'static str>| coroutine(move || {
//!         let mut seen = Vec::new();
//!         while let Ok(dish) = who.recv().co_await() { seen.push(dish); }
//!         Ok(seen)
//!     });
//!     let both = gather([waiter, guest].map(serve));
//!     kitchen.send("egg")?;
//!     kitchen.send("toast")?;
//!     drop(kitchen);
//!     assert_eq!(both.co_await()?, [["egg", "toast"], ["egg", "toast"]]);
//!     Ok(())
//! }))?;
//! # Ok::<(), Error>(())
//! ```

use std::cell::{Cell, RefCell};
use std::fmt::{self, Debug};
use std::rc::Rc;

use super::Waiters;
use crate::async_iter::AsyncIterator;
use crate::coroutine::Awaitable;
use crate::error::Result;

/// A new channel that keeps `capacity` messages for receivers that are slower than others.
///
/// # Panics
/// If `capacity` is zero.
///
/// ```
/// # use coro_core::broadcast;
/// let (sender, receiver) = broadcast::channel(1);
/// sender.send("egg").unwrap();
/// assert_eq!(receiver.try_recv(), Ok("egg"));
/// ```
#[track_caller]
pub fn channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    assert!(capacity > 0, "a broadcast channel keeps one message at least");
    let shared = Rc::new(Shared {
        ring: RefCell::default(),
        capacity,
        next: Cell::new(0),
        senders: Cell::new(1),
        receivers: Cell::new(0),
        waiters: Waiters::default(),
    });
    let receiver = Receiver::of(&shared);
    (Sender { shared }, receiver)
}

struct Shared<T> {
    /// The message of number `n` is at `n % capacity`.
    ring: RefCell<Vec<Slot<T>>>,
    capacity: usize,
    /// The number of the next message.
    next: Cell<u64>,
    senders: Cell<usize>,
    receivers: Cell<usize>,
    waiters: Waiters,
}

struct Slot<T> {
    /// Whoever clones the message holds a count of it. An empty box is kept for the next message.
    message: Option<Rc<Option<T>>>,
    /// How many receivers have not got it yet.
    left: usize,
}

/// A message as it comes out of its slot.
enum Taken<T> {
    /// The last receiver gets the message itself.
    Whole(T),
    /// To be cloned where nothing is borrowed.
    Shared(Option<Rc<Option<T>>>),
}

impl<T> Slot<T> {
    /// Puts a message in, and gives what it replaces, to be dropped where nothing is borrowed.
    fn put(&mut self, message: T, left: usize) -> Taken<T> {
        self.left = left;
        if let Some(place) = self.message.as_mut().and_then(Rc::get_mut) {
            return place.replace(message).map_or(Taken::Shared(None), Taken::Whole);
        }
        Taken::Shared(self.message.replace(Rc::new(Some(message))))
    }

    fn take(&mut self) -> Taken<T> {
        self.left -= 1;
        if self.left > 0 {
            return Taken::Shared(self.message.clone());
        }
        match self.message.as_mut().and_then(Rc::get_mut).and_then(Option::take) {
            Some(message) => Taken::Whole(message),
            None => Taken::Shared(self.message.take()), // somebody else is cloning it
        }
    }
}

impl<T: Clone> Taken<T> {
    fn into_message(self) -> T {
        match self {
            Self::Whole(message) => message,
            Self::Shared(shared) => match shared.as_deref() {
                Some(Some(message)) => message.clone(),
                _ => unreachable!("a message stays until the last receiver has got it"),
            },
        }
    }
}

/// All receivers are gone: the message comes back.
///
/// ```
/// # use coro_core::broadcast::{self, SendError};
/// let (sender, receiver) = broadcast::channel(8);
/// drop(receiver);
/// assert_eq!(sender.send("egg"), Err(SendError("egg")));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a broadcast channel has no receivers")]
pub struct SendError<T>(pub T);

impl<T> Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SendError(..)")
    }
}

/// Why [`Receiver::recv`] gave no message.
///
/// ```
/// # use coro_core::{broadcast::{self, RecvError}, prelude::*};
/// # coro_core::run(coroutine(|| {
/// let (sender, receiver) = broadcast::channel(1);
/// for egg in 1..=3 { sender.send(egg)?; }
/// let error = receiver.recv().co_await().unwrap_err();
/// assert_eq!(error.downcast_ref(), Some(&RecvError::Lagged(2)));
/// assert_eq!(receiver.recv().co_await()?, 3);
/// # Ok(())
/// # })).unwrap();
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecvError {
    /// All senders are gone, and all messages were received.
    #[error("a broadcast channel has no senders")]
    Closed,
    /// So many messages were lost, since more came than the channel keeps. The next call gives the oldest that it
    /// has kept.
    #[error("a receiver of a broadcast channel was too slow for {0} messages")]
    Lagged(u64),
}

/// Why [`Receiver::try_recv`] gave no message.
///
/// ```
/// # use coro_core::broadcast::{self, TryRecvError};
/// let (sender, receiver) = broadcast::channel::<u32>(1);
/// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
/// drop(sender);
/// assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TryRecvError {
    /// All messages were received.
    #[error("a broadcast channel is empty")]
    Empty,
    /// As [`RecvError::Closed`].
    #[error("a broadcast channel has no senders")]
    Closed,
    /// As [`RecvError::Lagged`].
    #[error("a receiver of a broadcast channel was too slow for {0} messages")]
    Lagged(u64),
}

/// The side that sends; a clone is another sender.
///
/// ```
/// # use coro_core::broadcast;
/// let (sender, receiver): (broadcast::Sender<u32>, _) = broadcast::channel(8);
/// assert_eq!(sender.send(6), Ok(1));
/// # drop(receiver);
/// ```
///
/// It stays on its thread:
/// ```compile_fail
/// let (sender, _receiver) = coro_core::broadcast::channel(8);
/// std::thread::spawn(move || sender.send(1));
/// ```
pub struct Sender<T> {
    shared: Rc<Shared<T>>,
}

impl<T> Sender<T> {
    /// Sends a message to all receivers that there are now; gives how many those are. It never waits: the oldest
    /// message goes where there is no room.
    ///
    /// # Errors
    /// [`SendError`] with the message, if there are no receivers.
    ///
    /// ```
    /// # use coro_core::broadcast;
    /// let (sender, one) = broadcast::channel(8);
    /// let two = sender.subscribe();
    /// assert_eq!(sender.send("egg"), Ok(2));
    /// assert_eq!((one.try_recv(), two.try_recv()), (Ok("egg"), Ok("egg")));
    /// ```
    pub fn send(&self, message: T) -> std::result::Result<usize, SendError<T>> {
        let shared = &*self.shared;
        let receivers = shared.receivers.get();
        if receivers == 0 {
            return Err(SendError(message));
        }
        let number = shared.next.get();
        shared.next.set(number + 1);
        let mut ring = shared.ring.borrow_mut();
        let index = shared.index(number);
        if index == ring.len() {
            ring.push(Slot { message: None, left: 0 });
        }
        let old = ring[index].put(message, receivers);
        drop(ring);
        shared.waiters.wake_all();
        drop(old);
        Ok(receivers)
    }

    /// A new receiver, for the messages from now on.
    ///
    /// ```
    /// # use coro_core::broadcast;
    /// let (sender, _first) = broadcast::channel(8);
    /// sender.send(1).unwrap();
    /// let late = sender.subscribe();
    /// sender.send(2).unwrap();
    /// assert_eq!(late.try_recv(), Ok(2));
    /// ```
    pub fn subscribe(&self) -> Receiver<T> {
        Receiver::of(&self.shared)
    }

    /// How many receivers there are.
    ///
    /// ```
    /// # use coro_core::broadcast;
    /// let (sender, receiver) = broadcast::channel::<u32>(8);
    /// assert_eq!(sender.receiver_count(), 1);
    /// drop(receiver);
    /// assert_eq!(sender.receiver_count(), 0);
    /// ```
    pub fn receiver_count(&self) -> usize {
        self.shared.receivers.get()
    }
}

impl<T> Shared<T> {
    fn index(&self, number: u64) -> usize {
        // The remainder is less than a `usize`.
        (number % self.capacity as u64) as usize
    }

    fn fmt_as(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sent, senders, receivers) = (self.next.get(), self.senders.get(), self.receivers.get());
        write!(f, "<broadcast::{name} [sent:{sent}, senders:{senders}, receivers:{receivers}]>")
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.shared.senders.set(self.shared.senders.get() + 1);
        Self { shared: Rc::clone(&self.shared) }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let left = self.shared.senders.get() - 1;
        self.shared.senders.set(left);
        if left == 0 {
            self.shared.waiters.wake_all();
        }
    }
}

/// A side that receives every message that was sent since it was made. `async for` goes over it: it ends when all
/// senders are gone, and a lag is an error.
///
/// ```
/// # use coro_core::{broadcast, prelude::*};
/// async_fn! {
///     async fn sum(numbers: broadcast::Receiver<u32>) -> u32 {
///         let mut sum = 0;
///         async for number in numbers { sum += number; }
///         sum
///     }
/// }
/// let (sender, receiver) = broadcast::channel(8);
/// for number in 1..=3 { sender.send(number)?; }
/// drop(sender);
/// assert_eq!(coro_core::run(sum(receiver))?, 6);
/// # Ok::<(), Error>(())
/// ```
pub struct Receiver<T> {
    shared: Rc<Shared<T>>,
    /// The number of the message that is next for this one.
    next: Cell<u64>,
}

impl<T> Receiver<T> {
    fn of(shared: &Rc<Shared<T>>) -> Self {
        shared.receivers.set(shared.receivers.get() + 1);
        Self { shared: Rc::clone(shared), next: Cell::new(shared.next.get()) }
    }

    fn take(&self) -> std::result::Result<Taken<T>, TryRecvError> {
        let shared = &*self.shared;
        let (number, next) = (self.next.get(), shared.next.get());
        let oldest = next.saturating_sub(shared.capacity as u64);
        if number < oldest {
            self.next.set(oldest);
            return Err(TryRecvError::Lagged(oldest - number));
        }
        if number == next {
            return Err(if shared.senders.get() == 0 { TryRecvError::Closed } else { TryRecvError::Empty });
        }
        self.next.set(number + 1);
        Ok(shared.ring.borrow_mut()[shared.index(number)].take())
    }

    /// How many messages were sent that it has not received, those among them that are lost already.
    ///
    /// ```
    /// # use coro_core::broadcast;
    /// let (sender, receiver) = broadcast::channel(1);
    /// for egg in 1..=3 { sender.send(egg).unwrap(); }
    /// assert_eq!(receiver.len(), 3);
    /// ```
    pub fn len(&self) -> u64 {
        self.shared.next.get() - self.next.get()
    }

    /// Whether it has received all that was sent.
    ///
    /// ```
    /// # use coro_core::broadcast;
    /// let (_sender, receiver) = broadcast::channel::<u32>(1);
    /// assert!(receiver.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A new receiver of the same channel, for the messages from now on.
    ///
    /// ```
    /// # use coro_core::broadcast;
    /// let (sender, receiver) = broadcast::channel(8);
    /// sender.send(1).unwrap();
    /// let late = receiver.resubscribe();
    /// assert_eq!((receiver.len(), late.len()), (1, 0));
    /// ```
    pub fn resubscribe(&self) -> Self {
        Self::of(&self.shared)
    }
}

impl<T: Clone> Receiver<T> {
    /// The next message, if there is one. The last receiver gets the message itself, the others a clone.
    ///
    /// # Errors
    /// [`TryRecvError`].
    ///
    /// ```
    /// # use coro_core::broadcast;
    /// let (sender, receiver) = broadcast::channel(8);
    /// assert!(receiver.try_recv().is_err());
    /// sender.send("egg").unwrap();
    /// assert_eq!(receiver.try_recv(), Ok("egg"));
    /// ```
    pub fn try_recv(&self) -> std::result::Result<T, TryRecvError> {
        self.take().map(Taken::into_message)
    }

    /// Waits for the next message.
    ///
    /// # Errors
    /// When awaited: [`RecvError`] when all senders are gone, or messages were lost;
    /// [`RuntimeError`](crate::RuntimeError) if it must wait where nothing can suspend.
    ///
    /// # Cancellation
    /// No message is lost: one that came at the same moment is the next.
    ///
    /// ```
    /// # use coro_core::{broadcast, prelude::*};
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let (sender, receiver) = broadcast::channel(8);
    /// get_running_loop()?.call_later(secs(1), move || { sender.send("egg").unwrap(); });
    /// assert_eq!(receiver.recv().co_await()?, "egg");
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn recv(&self) -> Recv<'_, T> {
        Recv { receiver: self }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.shared.receivers.set(self.shared.receivers.get() - 1);
        let until = self.shared.next.get();
        while self.next.get() < until {
            drop(self.take());
        }
    }
}

/// What [`Receiver::recv`] returns.
///
/// ```
/// # use coro_core::{broadcast, prelude::*};
/// # coro_core::run(coroutine(|| {
/// let (sender, receiver) = broadcast::channel(8);
/// let receiving: broadcast::Recv<'_, u32> = receiver.recv(); // has not begun
/// sender.send(6)?;
/// assert_eq!(receiving.co_await()?, 6);
/// # Ok(())
/// # })).unwrap();
/// ```
#[must_use = "it receives only when it is awaited"]
pub struct Recv<'a, T> {
    receiver: &'a Receiver<T>,
}

impl<T: Clone> Awaitable for Recv<'_, T> {
    type Output = T;

    fn co_await(self) -> Result<T> {
        loop {
            match self.receiver.try_recv() {
                Ok(message) => return Ok(message),
                Err(TryRecvError::Empty) => self.receiver.shared.waiters.wait()?,
                Err(TryRecvError::Closed) => return Err(RecvError::Closed.into()),
                Err(TryRecvError::Lagged(lost)) => return Err(RecvError::Lagged(lost).into()),
            }
        }
    }
}

impl<T: Clone> AsyncIterator for Receiver<T> {
    type Item = T;

    fn anext(&mut self) -> Result<Option<T>> {
        match self.recv().co_await() {
            Err(error) if error.downcast_ref() == Some(&RecvError::Closed) => Ok(None),
            result => result.map(Some),
        }
    }
}

impl<T> Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt_as("Sender", f)
    }
}

impl<T> Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt_as("Receiver", f)
    }
}
