//! One value, from one task to another; tokio's `oneshot`.
//!
//! ```
//! use coro_core::{oneshot, prelude::*};
//! coro_core::run(coroutine(|| {
//!     let (order, ordered) = oneshot::channel();
//!     let cook = create_task(coroutine(move || Ok(format!("boiled {}", ordered.co_await()?))));
//!     order.send("egg").unwrap();
//!     assert_eq!(cook.co_await()?, "boiled egg");
//!     Ok(())
//! }))?;
//! # Ok::<(), Error>(())
//! ```

use std::cell::Cell;
use std::fmt::{self, Debug};
use std::rc::Rc;

use super::Waiters;
use crate::coroutine::Awaitable;
use crate::error::{InvalidState, Result};

/// A new channel for one value.
///
/// ```
/// # use coro_core::{oneshot, prelude::*};
/// let (sender, receiver) = oneshot::channel();
/// sender.send(6).unwrap();
/// assert_eq!(receiver.try_recv(), Ok(6));
/// ```
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let shared = Rc::new(Shared {
        value: Cell::new(None),
        sending: Cell::new(Sending::NotYet),
        closed: Cell::new(false),
        receivers: Waiters::default(),
        senders: Waiters::default(),
    });
    (Sender { shared: Rc::clone(&shared) }, Receiver { shared })
}

struct Shared<T> {
    value: Cell<Option<T>>,
    sending: Cell<Sending>,
    /// The receiver wants nothing more, or is gone.
    closed: Cell<bool>,
    receivers: Waiters,
    senders: Waiters,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sending {
    NotYet,
    Done,
    Never,
}

/// The sender was dropped without sending anything.
///
/// ```
/// # use coro_core::{oneshot, prelude::*};
/// # coro_core::run(coroutine(|| {
/// let (sender, receiver) = oneshot::channel::<u32>();
/// drop(sender);
/// assert!(receiver.co_await().unwrap_err().is::<oneshot::RecvError>());
/// # Ok(())
/// # })).unwrap();
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the sender of a oneshot channel was dropped")]
pub struct RecvError;

/// Why [`Receiver::try_recv`] gave nothing.
///
/// ```
/// # use coro_core::oneshot::{self, TryRecvError};
/// let (sender, receiver) = oneshot::channel::<u32>();
/// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
/// drop(sender);
/// assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TryRecvError {
    /// Nothing was sent yet.
    #[error("the oneshot channel is empty")]
    Empty,
    /// Nothing will come: the sender was dropped, or the value was received.
    #[error("the oneshot channel is closed")]
    Closed,
}

/// The side that sends. Dropped without sending, it gives the receiver a [`RecvError`].
///
/// ```
/// # use coro_core::oneshot;
/// let (sender, receiver): (oneshot::Sender<u32>, _) = oneshot::channel();
/// assert_eq!(sender.send(6), Ok(()));
/// assert_eq!(receiver.try_recv(), Ok(6));
/// ```
///
/// It stays on its thread:
/// ```compile_fail
/// let (sender, _receiver) = coro_core::oneshot::channel();
/// std::thread::spawn(move || sender.send(1));
/// ```
#[must_use = "dropped, it tells the receiver that nothing comes"]
pub struct Sender<T> {
    shared: Rc<Shared<T>>,
}

impl<T> Sender<T> {
    /// Sends the value. It never waits.
    ///
    /// # Errors
    /// The value itself, if the receiver is closed or was dropped.
    ///
    /// ```
    /// # use coro_core::oneshot;
    /// let (sender, receiver) = oneshot::channel();
    /// drop(receiver);
    /// assert_eq!(sender.send("egg"), Err("egg"));
    /// ```
    pub fn send(self, value: T) -> std::result::Result<(), T> {
        let shared = &self.shared;
        if shared.closed.get() {
            return Err(value);
        }
        shared.value.set(Some(value));
        shared.sending.set(Sending::Done);
        shared.receivers.wake_all();
        Ok(())
    }

    /// Whether the receiver is closed or was dropped, so that nobody wants the value.
    ///
    /// ```
    /// # use coro_core::oneshot;
    /// let (sender, receiver) = oneshot::channel::<u32>();
    /// assert!(!sender.is_closed());
    /// drop(receiver);
    /// assert!(sender.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.shared.closed.get()
    }

    /// Waits until the receiver is closed or was dropped: the work on the value can be given up then.
    ///
    /// # Errors
    /// When awaited: [`RuntimeError`](crate::RuntimeError) if it must wait where nothing can suspend.
    ///
    /// # Cancellation
    /// Nothing is kept.
    ///
    /// ```
    /// # use coro_core::{oneshot, prelude::*};
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let (sender, receiver) = oneshot::channel::<u32>();
    /// create_task(coroutine(move || { wait_for(receiver, secs(1)).co_await().ok(); Ok(()) }));
    /// sender.closed().co_await()?; // nobody waits any longer
    /// assert_eq!(get_running_loop()?.time(), secs(1));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn closed(&self) -> Closed<'_, T> {
        Closed { sender: self }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        if self.shared.sending.get() == Sending::NotYet {
            self.shared.sending.set(Sending::Never);
            self.shared.receivers.wake_all();
        }
    }
}

/// What [`Sender::closed`] returns.
///
/// ```
/// # use coro_core::{oneshot, prelude::*};
/// # coro_core::run(coroutine(|| {
/// let (sender, receiver) = oneshot::channel::<u32>();
/// drop(receiver);
/// let closed: oneshot::Closed<'_, u32> = sender.closed();
/// closed.co_await()
/// # })).unwrap();
/// ```
#[must_use = "it waits only when it is awaited"]
pub struct Closed<'a, T> {
    sender: &'a Sender<T>,
}

impl<T> Awaitable for Closed<'_, T> {
    type Output = ();

    fn co_await(self) -> Result<()> {
        match self.sender.is_closed() {
            true => Ok(()),
            false => self.sender.shared.senders.wait(),
        }
    }
}

/// The side that receives: awaiting it gives the value.
///
/// # Errors
/// When awaited: [`RecvError`] if the sender was dropped without sending; [`InvalidState`] if the value was
/// received before.
///
/// # Cancellation
/// Awaited by value, it is dropped, with a value that came at the same moment; awaited by reference, it keeps that
/// value for the next await.
///
/// ```
/// # use coro_core::{oneshot, prelude::*};
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// let (sender, receiver): (_, oneshot::Receiver<u32>) = oneshot::channel();
/// assert!(wait_for(&receiver, secs(1)).co_await().unwrap_err().is_timeout());
/// sender.send(6).unwrap();
/// assert_eq!(receiver.co_await()?, 6);
/// # Ok(())
/// # })).unwrap();
/// ```
#[must_use = "it receives only when it is awaited, and dropping it closes the channel"]
pub struct Receiver<T> {
    shared: Rc<Shared<T>>,
}

impl<T> Receiver<T> {
    /// The value, if it was sent.
    ///
    /// # Errors
    /// [`TryRecvError`].
    ///
    /// ```
    /// # use coro_core::oneshot;
    /// let (sender, receiver) = oneshot::channel();
    /// assert!(receiver.try_recv().is_err());
    /// sender.send(6).unwrap();
    /// assert_eq!(receiver.try_recv(), Ok(6));
    /// ```
    pub fn try_recv(&self) -> std::result::Result<T, TryRecvError> {
        let shared = &self.shared;
        match (shared.value.take(), shared.sending.get()) {
            (Some(value), _) => Ok(value),
            (None, Sending::NotYet) if !shared.closed.get() => Err(TryRecvError::Empty),
            (None, _) => Err(TryRecvError::Closed),
        }
    }

    /// Tells the sender that nothing is wanted any more. A value that was sent before can still be received.
    ///
    /// ```
    /// # use coro_core::oneshot;
    /// let (sender, receiver) = oneshot::channel();
    /// receiver.close();
    /// assert_eq!(sender.send(6), Err(6));
    /// # drop(receiver);
    /// ```
    pub fn close(&self) {
        if !self.shared.closed.replace(true) {
            self.shared.senders.wake_all();
            self.shared.receivers.wake_all();
        }
    }
}

impl<T> Awaitable for &Receiver<T> {
    type Output = T;

    fn co_await(self) -> Result<T> {
        let shared = &self.shared;
        if shared.sending.get() == Sending::NotYet && !shared.closed.get() {
            shared.receivers.wait()?;
        }
        match (shared.value.take(), shared.sending.get()) {
            (Some(value), _) => Ok(value),
            (None, Sending::Done) => {
                Err(InvalidState::new("the value of a oneshot channel was received before").into())
            }
            (None, Sending::Never | Sending::NotYet) => Err(RecvError.into()),
        }
    }
}

impl<T> Awaitable for Receiver<T> {
    type Output = T;

    fn co_await(self) -> Result<T> {
        (&self).co_await()
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.close();
        drop(self.shared.value.take());
    }
}

impl<T> Shared<T> {
    fn fmt_as(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match (self.sending.get(), self.closed.get()) {
            (Sending::Done, _) => "sent",
            (Sending::NotYet, false) => "open",
            (Sending::NotYet, true) | (Sending::Never, _) => "closed",
        };
        write!(f, "<oneshot::{name} [{state}]>")
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
