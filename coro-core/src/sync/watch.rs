//! A value that many tasks watch: each sees the latest, not every one; tokio's `watch`.
//!
//! A receiver looks at the value with [`get`](Receiver::get) or [`with`](Receiver::with). It sees the value as it was
//! then, whatever is sent meanwhile: nothing is borrowed from the channel, so that both may await.
//!
//! ```
//! use coro_core::{prelude::*, watch};
//! coro_core::run(coroutine(|| {
//!     let (thermometer, display) = watch::channel(20);
//!     let hot = create_task(coroutine(move || {
//!         while display.get_and_update() < 90 { display.changed().co_await()?; }
//!         Ok(display.get())
//!     }));
//!     for degrees in [50, 70, 90] {
//!         sleep(millis(1)).co_await()?;
//!         thermometer.send(degrees)?;
//!     }
//!     assert_eq!(hot.co_await()?, 90);
//!     Ok(())
//! }))?;
//! # Ok::<(), Error>(())
//! ```

use std::cell::{Cell, RefCell};
use std::fmt::{self, Debug};
use std::mem;
use std::rc::Rc;

use super::Waiters;
use crate::coroutine::Awaitable;
use crate::error::{Result, RuntimeError};
use crate::fiber::barrier;

/// A new channel with its first value, which the receiver has seen.
///
/// ```
/// # use coro_core::watch;
/// let (sender, receiver) = watch::channel(1);
/// assert_eq!(receiver.get(), 1);
/// assert_eq!(receiver.has_changed(), Ok(false));
/// # drop(sender);
/// ```
pub fn channel<T>(initial: T) -> (Sender<T>, Receiver<T>) {
    let shared = Rc::new(Shared {
        value: RefCell::new(Some(Rc::new(initial))),
        version: Cell::new(0),
        senders: Cell::new(1),
        receivers: Cell::new(1),
        watching: Waiters::default(),
        sending: Waiters::default(),
    });
    (Sender { shared: Rc::clone(&shared) }, Receiver { shared, seen: Cell::new(0) })
}

struct Shared<T> {
    /// Whoever looks at the value holds a count of it. `None` while it is being modified.
    value: RefCell<Option<Rc<T>>>,
    version: Cell<u64>,
    senders: Cell<usize>,
    receivers: Cell<usize>,
    watching: Waiters,
    sending: Waiters,
}

impl<T> Shared<T> {
    #[track_caller]
    fn value(&self) -> Rc<T> {
        let value = self.value.borrow().clone();
        value.expect("a watch channel cannot be read by the code that modifies its value")
    }

    /// Gives the old value, or the count of one that somebody looks at, to be dropped where nothing is borrowed.
    fn replace(&self, new: T) -> (Option<T>, Option<Rc<T>>) {
        let mut value = self.value.borrow_mut();
        match value.as_mut().and_then(Rc::get_mut) {
            Some(place) => (Some(mem::replace(place, new)), None),
            None => (None, value.replace(Rc::new(new))),
        }
    }

    fn changed(&self) {
        self.version.set(self.version.get() + 1);
        self.watching.wake_all();
    }

    fn fmt_as(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (version, senders, receivers) = (self.version.get(), self.senders.get(), self.receivers.get());
        write!(f, "<watch::{name} [version:{version}, senders:{senders}, receivers:{receivers}]>")
    }
}

/// All receivers are gone: the value comes back.
///
/// ```
/// # use coro_core::watch::{self, SendError};
/// let (sender, receiver) = watch::channel("raw");
/// drop(receiver);
/// assert_eq!(sender.send("boiled"), Err(SendError("boiled")));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a watch channel has no receivers")]
pub struct SendError<T>(pub T);

impl<T> Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SendError(..)")
    }
}

/// All senders are gone: the value will not change any more.
///
/// ```
/// # use coro_core::{prelude::*, watch};
/// # coro_core::run(coroutine(|| {
/// let (sender, receiver) = watch::channel(1);
/// drop(sender);
/// assert!(receiver.changed().co_await().unwrap_err().is::<watch::RecvError>());
/// # Ok(())
/// # })).unwrap();
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a watch channel has no senders")]
pub struct RecvError;

/// The side that changes the value; a clone is another sender.
///
/// ```
/// # use coro_core::watch;
/// let (sender, receiver): (watch::Sender<u32>, _) = watch::channel(1);
/// sender.send(2).unwrap();
/// assert_eq!(receiver.get(), 2);
/// ```
///
/// It stays on its thread:
/// ```compile_fail
/// let (sender, _receiver) = coro_core::watch::channel(1);
/// std::thread::spawn(move || sender.send(2));
/// ```
pub struct Sender<T> {
    shared: Rc<Shared<T>>,
}

impl<T> Sender<T> {
    /// Sets the value, and wakes all who wait for a change.
    ///
    /// # Errors
    /// [`SendError`] with the value, if there are no receivers; nothing has changed then.
    ///
    /// ```
    /// # use coro_core::watch;
    /// let (sender, receiver) = watch::channel(1);
    /// sender.send(2).unwrap();
    /// assert_eq!((receiver.get(), receiver.has_changed()), (2, Ok(true)));
    /// ```
    pub fn send(&self, value: T) -> std::result::Result<(), SendError<T>> {
        if self.is_closed() {
            return Err(SendError(value));
        }
        let old = self.shared.replace(value);
        self.shared.changed();
        drop(old);
        Ok(())
    }

    /// Changes the value in place, also when there are no receivers.
    ///
    /// # Errors
    /// As those of [`send_if_modified`](Self::send_if_modified).
    ///
    /// # Panics
    /// With the panic of `modify`. What it has changed until then stays, and nobody is woken.
    ///
    /// ```
    /// # use coro_core::watch;
    /// let (sender, receiver) = watch::channel(vec![1]);
    /// sender.send_modify(|eggs| eggs.push(2))?;
    /// assert_eq!(receiver.get(), [1, 2]);
    /// # Ok::<(), coro_core::Error>(())
    /// ```
    pub fn send_modify(&self, modify: impl FnOnce(&mut T)) -> Result<()> {
        let modified = self.send_if_modified(|value| {
            modify(value);
            true
        });
        modified.map(drop)
    }

    /// Changes the value in place, if `modify` says so by `true`; gives what it gave. Nothing may suspend in it, and
    /// nothing may read the value through the channel. A value that is sent in it takes the place of what it makes.
    ///
    /// # Errors
    /// [`RuntimeError`] if somebody looks at the value at this moment, in [`with`](Receiver::with) or in its `Clone`,
    /// or modifies it. `modify` is not called then.
    ///
    /// # Panics
    /// With the panic of `modify`, as [`send_modify`](Self::send_modify).
    ///
    /// ```
    /// # use coro_core::watch;
    /// let (sender, receiver) = watch::channel(1);
    /// assert!(!sender.send_if_modified(|_| false)?);
    /// assert_eq!(receiver.has_changed(), Ok(false));
    /// assert!(sender.send_if_modified(|eggs| { *eggs += 1; true })?);
    /// assert_eq!(receiver.has_changed(), Ok(true));
    /// # Ok::<(), coro_core::Error>(())
    /// ```
    pub fn send_if_modified(&self, modify: impl FnOnce(&mut T) -> bool) -> Result<bool> {
        /// Puts the value back, also when a panic passes. A value that was sent meanwhile is newer, and stays.
        struct PutBack<'a, T>(&'a Shared<T>, Option<Rc<T>>);
        impl<T> Drop for PutBack<'_, T> {
            fn drop(&mut self) {
                let mut place = self.0.value.borrow_mut();
                if place.is_none() {
                    *place = self.1.take();
                }
            }
        }
        let shared = &*self.shared;
        let mut value = PutBack(shared, shared.value.take());
        let Some(place) = value.1.as_mut().and_then(Rc::get_mut) else {
            let message = "the value of a watch channel cannot be modified while somebody looks at it";
            return Err(RuntimeError::new(message).into());
        };
        let modified = barrier("in the modification of a watch channel", || modify(place));
        drop(value);
        if modified {
            shared.changed();
        }
        Ok(modified)
    }

    /// The value, cloned.
    ///
    /// # Panics
    /// In [`send_modify`](Self::send_modify) of the same channel.
    ///
    /// ```
    /// # use coro_core::watch;
    /// let (sender, _receiver) = watch::channel(1);
    /// assert_eq!(sender.get(), 1);
    /// ```
    #[track_caller]
    pub fn get(&self) -> T
    where
        T: Clone,
    {
        (*self.shared.value()).clone()
    }

    /// Looks at the value, as [`Receiver::with`].
    ///
    /// # Panics
    /// As there.
    ///
    /// ```
    /// # use coro_core::watch;
    /// let (sender, _receiver) = watch::channel(vec![1]);
    /// assert_eq!(sender.with(Vec::len), 1);
    /// ```
    #[track_caller]
    pub fn with<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        look(&*self.shared.value())
    }

    /// A new receiver, which has seen the value as it is now.
    ///
    /// ```
    /// # use coro_core::watch;
    /// let (sender, receiver) = watch::channel(1);
    /// drop(receiver);
    /// let receiver = sender.subscribe();
    /// sender.send(2).unwrap();
    /// assert_eq!(receiver.get(), 2);
    /// ```
    pub fn subscribe(&self) -> Receiver<T> {
        Receiver::of(&self.shared, self.shared.version.get())
    }

    /// How many receivers there are.
    ///
    /// ```
    /// # use coro_core::watch;
    /// let (sender, receiver) = watch::channel(1);
    /// let _another = receiver.clone();
    /// assert_eq!(sender.receiver_count(), 2);
    /// ```
    pub fn receiver_count(&self) -> usize {
        self.shared.receivers.get()
    }

    /// Whether there are no receivers.
    ///
    /// ```
    /// # use coro_core::watch;
    /// let (sender, receiver) = watch::channel(1);
    /// assert!(!sender.is_closed());
    /// drop(receiver);
    /// assert!(sender.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.receiver_count() == 0
    }

    /// Waits until there are no receivers.
    ///
    /// # Errors
    /// When awaited: [`RuntimeError`] if it must wait where nothing can suspend.
    ///
    /// # Cancellation
    /// Nothing is kept.
    ///
    /// ```
    /// # use coro_core::{prelude::*, watch};
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let (sender, receiver) = watch::channel(1);
    /// get_running_loop()?.call_later(secs(1), move || drop(receiver));
    /// sender.closed().co_await()?;
    /// assert_eq!(get_running_loop()?.time(), secs(1));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn closed(&self) -> Closed<'_, T> {
        Closed { sender: self }
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
            self.shared.watching.wake_all();
        }
    }
}

/// What [`Sender::closed`] returns.
///
/// ```
/// # use coro_core::{prelude::*, watch};
/// # coro_core::run(coroutine(|| {
/// let (sender, receiver) = watch::channel(1);
/// drop(receiver);
/// let closed: watch::Closed<'_, u32> = sender.closed();
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
        while !self.sender.is_closed() {
            self.sender.shared.sending.wait()?;
        }
        Ok(())
    }
}

/// A side that watches; a clone is another receiver, which has seen what this one has.
///
/// ```
/// # use coro_core::watch;
/// let (sender, receiver): (_, watch::Receiver<u32>) = watch::channel(1);
/// sender.send(2).unwrap();
/// assert_eq!(receiver.clone().has_changed(), Ok(true));
/// ```
pub struct Receiver<T> {
    shared: Rc<Shared<T>>,
    /// The version that it has seen.
    seen: Cell<u64>,
}

impl<T> Receiver<T> {
    fn of(shared: &Rc<Shared<T>>, seen: u64) -> Self {
        shared.receivers.set(shared.receivers.get() + 1);
        Self { shared: Rc::clone(shared), seen: Cell::new(seen) }
    }

    /// The value, cloned. It does not count as seen.
    ///
    /// # Panics
    /// In [`Sender::send_modify`] of the same channel.
    ///
    /// ```
    /// # use coro_core::watch;
    /// let (sender, receiver) = watch::channel(1);
    /// sender.send(2).unwrap();
    /// assert_eq!((receiver.get(), receiver.has_changed()), (2, Ok(true)));
    /// ```
    #[track_caller]
    pub fn get(&self) -> T
    where
        T: Clone,
    {
        (*self.shared.value()).clone()
    }

    /// The value, cloned; [`changed`](Self::changed) waits for a later one then. tokio's `borrow_and_update`.
    ///
    /// # Panics
    /// As [`get`](Self::get).
    ///
    /// ```
    /// # use coro_core::watch;
    /// let (sender, receiver) = watch::channel(1);
    /// sender.send(2).unwrap();
    /// assert_eq!((receiver.get_and_update(), receiver.has_changed()), (2, Ok(false)));
    /// # drop(sender);
    /// ```
    #[track_caller]
    pub fn get_and_update(&self) -> T
    where
        T: Clone,
    {
        let value = self.shared.value();
        self.mark_unchanged();
        (*value).clone()
    }

    /// Looks at the value without cloning it. `look` may await, and may send on the same channel: it goes on to see
    /// the value as it was when it began.
    ///
    /// # Panics
    /// In [`Sender::send_modify`] of the same channel; with the panic of `look`.
    ///
    /// ```
    /// # use coro_core::watch;
    /// let (sender, receiver) = watch::channel(vec![1, 2]);
    /// let length = receiver.with(|eggs| { sender.send(vec![]).unwrap(); eggs.len() });
    /// assert_eq!((length, receiver.with(Vec::len)), (2, 0));
    /// ```
    #[track_caller]
    pub fn with<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        look(&*self.shared.value())
    }

    /// Whether there is a value that this receiver has not seen.
    ///
    /// # Errors
    /// [`RecvError`] if all senders are gone.
    ///
    /// ```
    /// # use coro_core::watch;
    /// let (sender, receiver) = watch::channel(1);
    /// assert_eq!(receiver.has_changed(), Ok(false));
    /// sender.send(2).unwrap();
    /// assert_eq!(receiver.has_changed(), Ok(true));
    /// drop(sender);
    /// assert_eq!(receiver.has_changed(), Err(watch::RecvError));
    /// ```
    pub fn has_changed(&self) -> std::result::Result<bool, RecvError> {
        match self.shared.senders.get() {
            0 => Err(RecvError),
            _ => Ok(self.shared.version.get() != self.seen.get()),
        }
    }

    /// The value counts as not seen: the next [`changed`](Self::changed) does not wait.
    ///
    /// ```
    /// # use coro_core::watch;
    /// let (sender, receiver) = watch::channel(1);
    /// receiver.mark_changed();
    /// assert_eq!(receiver.has_changed(), Ok(true));
    /// # drop(sender);
    /// ```
    pub fn mark_changed(&self) {
        self.seen.set(self.shared.version.get().wrapping_sub(1));
    }

    /// The value counts as seen.
    ///
    /// ```
    /// # use coro_core::watch;
    /// let (sender, receiver) = watch::channel(1);
    /// sender.send(2).unwrap();
    /// receiver.mark_unchanged();
    /// assert_eq!(receiver.has_changed(), Ok(false));
    /// ```
    pub fn mark_unchanged(&self) {
        self.seen.set(self.shared.version.get());
    }

    /// Waits for a value that this receiver has not seen; it counts as seen then. Of several that were sent, the
    /// latest alone is there.
    ///
    /// # Errors
    /// When awaited: [`RecvError`] if all senders are gone and the last value was seen; [`RuntimeError`] if it
    /// must wait where nothing can suspend.
    ///
    /// # Cancellation
    /// No change is lost: one that came at the same moment counts as not seen.
    ///
    /// ```
    /// # use coro_core::{prelude::*, watch};
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let (sender, receiver) = watch::channel(1);
    /// get_running_loop()?.call_later(secs(1), move || sender.send(2).unwrap());
    /// receiver.changed().co_await()?;
    /// assert_eq!(receiver.get(), 2);
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn changed(&self) -> Changed<'_, T> {
        Changed { receiver: self }
    }

    /// Waits until `predicate` holds for the value, which counts as seen then. It is called with the value as it is
    /// now, and after each change.
    ///
    /// # Errors
    /// As those of [`changed`](Self::changed).
    ///
    /// # Cancellation
    /// The values that `predicate` did not hold for count as seen.
    ///
    /// # Panics
    /// With the panic of `predicate`.
    ///
    /// ```
    /// # use coro_core::{prelude::*, watch};
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let (sender, receiver) = watch::channel(20);
    /// get_running_loop()?.call_later(secs(1), move || sender.send(90).unwrap());
    /// receiver.wait_for(|degrees| *degrees > 80).co_await()?;
    /// assert_eq!(receiver.get(), 90);
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn wait_for<P>(&self, predicate: P) -> WaitFor<'_, T, P>
    where
        P: FnMut(&T) -> bool,
    {
        WaitFor { receiver: self, predicate }
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        Self::of(&self.shared, self.seen.get())
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let left = self.shared.receivers.get() - 1;
        self.shared.receivers.set(left);
        if left == 0 {
            self.shared.sending.wake_all();
        }
    }
}

/// What [`Receiver::changed`] returns.
///
/// ```
/// # use coro_core::{prelude::*, watch};
/// # coro_core::run(coroutine(|| {
/// let (sender, receiver) = watch::channel(1);
/// let changed: watch::Changed<'_, u32> = receiver.changed(); // has not begun
/// sender.send(2)?;
/// changed.co_await()
/// # })).unwrap();
/// ```
#[must_use = "it waits only when it is awaited"]
pub struct Changed<'a, T> {
    receiver: &'a Receiver<T>,
}

impl<T> Awaitable for Changed<'_, T> {
    type Output = ();

    fn co_await(self) -> Result<()> {
        let Receiver { shared, seen } = self.receiver;
        while shared.version.get() == seen.get() {
            if shared.senders.get() == 0 {
                return Err(RecvError.into());
            }
            shared.watching.wait()?;
        }
        seen.set(shared.version.get());
        Ok(())
    }
}

/// What [`Receiver::wait_for`] returns.
///
/// ```
/// # use coro_core::{prelude::*, watch};
/// # coro_core::run(coroutine(|| {
/// let (_sender, receiver) = watch::channel(1);
/// let waiting: watch::WaitFor<'_, u32, _> = receiver.wait_for(|eggs| *eggs > 0);
/// waiting.co_await() // holds already
/// # })).unwrap();
/// ```
#[must_use = "it waits only when it is awaited"]
pub struct WaitFor<'a, T, P> {
    receiver: &'a Receiver<T>,
    predicate: P,
}

impl<T, P: FnMut(&T) -> bool> Awaitable for WaitFor<'_, T, P> {
    type Output = ();

    fn co_await(mut self) -> Result<()> {
        loop {
            let value = self.receiver.shared.value();
            self.receiver.mark_unchanged();
            if (self.predicate)(&value) {
                return Ok(());
            }
            drop(value);
            self.receiver.changed().co_await()?;
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
