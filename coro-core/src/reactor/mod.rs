//! The reactor: waits for the operating system, and can be woken from other threads.
//!
//! Floor 0. It knows the poller and what it watches, never tasks: what is ready is told to its [`Source`], on the
//! loop's own thread. `polling` makes the poller on every system. On Linux the wait itself goes to its epoll
//! directly, one system call each; elsewhere, and with `--cfg coro_poller="portable"` or `"oneshot"`, `polling` waits.
//! With `--cfg coro_poller="faulty"` the wait is the system's own, and goes wrong: see [`disturb`].
//!
//! 1. A socket is registered once, for both directions, until it is dropped: see [`socket`]. What the user watches
//!    with `add_reader` is registered for each call: see [`watch`].
//! 2. The key of a registration is given once in the life of the process: an event that comes late finds nobody.
//! 3. What is told of an event only takes note: no code of a user runs, and nothing is deregistered meanwhile.

#[cfg(any(test, coro_poller = "faulty"))]
mod disturb;
#[cfg(all(target_os = "linux", any(not(coro_poller), coro_poller = "faulty")))]
#[path = "epoll.rs"]
mod system;
#[cfg(not(all(target_os = "linux", any(not(coro_poller), coro_poller = "faulty"))))]
#[path = "portable.rs"]
mod system;

mod socket;
#[cfg(unix)]
mod watch;

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Waker;
use std::time::Duration;

use parking_lot::Mutex;
use polling::Poller;
use slab::Slab;

use socket::Addresses;
pub(crate) use socket::{Endpoint, Hold, Side, Slot, Socket, block_until_ready};
#[cfg(unix)]
pub(crate) use watch::{Direction, Registration};

/// What is told that a file descriptor is ready.
pub(crate) trait Source {
    /// Called between waits. It only takes note: no code of a user runs in it, and nothing is deregistered.
    fn ready(self: Rc<Self>);
}

/// A source that tells a waker.
pub(crate) trait PolledSource: Source {
    /// Tells `waker` from now on, in place of another one.
    fn renew(&self, waker: &Waker);
}

/// Names one registration: the place in the slab, and a number that no other registration ever had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key(usize);

impl Key {
    const INDEX_BITS: u32 = if usize::BITS == 64 { 32 } else { 20 };

    fn new(index: usize) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        // One less than what fits, since pollers keep the largest key for themselves.
        let number = NEXT.fetch_add(1, Ordering::Relaxed) % (usize::MAX >> Self::INDEX_BITS);
        Self(number << Self::INDEX_BITS | index)
    }

    fn index(self) -> usize {
        self.0 & ((1 << Self::INDEX_BITS) - 1)
    }

    /// The key as a number, to be kept where only a number can be.
    pub(crate) fn to_bits(self) -> usize {
        self.0
    }

    /// The key that gave this number; a number that was never a key is the key of nothing.
    pub(crate) fn from_bits(bits: usize) -> Self {
        Self(bits)
    }
}

/// What happened to a file descriptor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Happened {
    readable: bool,
    writable: bool,
    /// The end of what can be read is near, or there is urgent data: a short read does not tell that all was read.
    keep_reading: bool,
}

enum Told {
    Watch(Weak<dyn Source>),
    Socket(Rc<Slot>),
}

struct Entry {
    key: Key,
    told: Told,
}

/// Who is told of what, by the key of the registration.
type Entries = Rc<RefCell<Slab<Entry>>>;

/// What one loop waits on.
pub(crate) struct Reactor {
    shared: Arc<Notifier>,
    waiter: RefCell<system::Waiter>,
    entries: Entries,
    /// How much is waited for: a registered socket that nobody waits for does not count.
    waiting: Rc<Cell<usize>>,
    /// What is known to be ready already, to be told as if the next wait had found it so.
    known: RefCell<Vec<(Rc<Slot>, Side)>>,
    /// Whether the addresses of its sockets are noted, as a virtual clock needs.
    pub(crate) lists_addresses: Cell<bool>,
    #[cfg(coro_poller = "faulty")]
    disturber: RefCell<disturb::Disturber>,
}

/// The part of a reactor that other threads and signal handlers may touch.
pub(crate) struct Notifier {
    poller: Poller,
    system: system::Notifier,
    /// Set while a notification is under way, so that many wake-ups cost one system call.
    notified: AtomicBool,
    /// Set by each notification until the loop has looked what came.
    news: AtomicBool,
    /// A fork shares the poller with its parent, and must leave it alone.
    process: u32,
    /// Registrations of sockets that were ended, for the reactor to forget.
    abandoned: Mutex<Vec<Key>>,
    has_abandoned: AtomicBool,
    /// Under a virtual clock: which addresses are the loop's own.
    addresses: Mutex<Addresses>,
}

impl Notifier {
    /// Ends the present wait, or the next one. Safe to call from any thread, and from a signal handler.
    pub(crate) fn notify(&self) {
        self.news.store(true, Ordering::SeqCst);
        if !self.notified.swap(true, Ordering::SeqCst) {
            self.system.notify(&self.poller);
        }
    }

    /// Whether there were notifications since the last [`take_news`](Self::take_news).
    #[inline]
    pub(crate) fn has_news(&self) -> bool {
        self.news.load(Ordering::Relaxed)
    }

    /// Whether there were notifications since the last call. Looking costs nothing while there are none.
    #[inline]
    pub(crate) fn take_news(&self) -> bool {
        self.has_news() && self.news.swap(false, Ordering::SeqCst)
    }

    /// Takes a file descriptor out of the poller, from any thread. It is registered, so that nothing can go wrong.
    fn delete(&self, source: impl polling::AsSource) {
        if self.process == std::process::id() {
            let _ = self.poller.delete(source);
        }
    }
}

impl Reactor {
    pub(crate) fn new() -> io::Result<Self> {
        #[cfg(unix)]
        socket::keep_spare()?;
        let poller = Poller::new()?;
        let system = system::Notifier::new(&poller)?;
        let shared = Arc::new(Notifier {
            poller,
            system,
            notified: AtomicBool::new(false),
            news: AtomicBool::new(false),
            process: std::process::id(),
            abandoned: Mutex::default(),
            has_abandoned: AtomicBool::new(false),
            addresses: Mutex::default(),
        });
        let reactor = Self {
            shared,
            waiter: RefCell::default(),
            entries: Entries::default(),
            waiting: Rc::default(),
            known: RefCell::default(),
            lists_addresses: Cell::new(false),
            #[cfg(coro_poller = "faulty")]
            disturber: RefCell::new(disturb::Disturber::new()),
        };
        reactor.enter_thread();
        Ok(reactor)
    }

    pub(crate) fn notifier(&self) -> Arc<Notifier> {
        Arc::clone(&self.shared)
    }

    /// Whether anything but a notification could end a wait.
    pub(crate) fn is_watching(&self) -> bool {
        self.waiting.get() > 0
    }

    /// Waits until something is ready, until it is notified, or until `timeout` has passed; `None` waits without a
    /// limit. Then tells the sources that are ready.
    ///
    /// An interrupted wait (`EINTR`) returns early: the caller looks at its clock and its doors again.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> io::Result<()> {
        let mut waiter = self.waiter.borrow_mut();
        #[cfg(coro_poller = "faulty")]
        let result =
            self.disturber.borrow().limit(timeout).and_then(|limit| waiter.wait(&self.shared, limit));
        #[cfg(not(coro_poller = "faulty"))]
        let result = waiter.wait(&self.shared, timeout);
        self.shared.notified.store(false, Ordering::SeqCst);
        self.forget_abandoned();
        match result {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            result => result?,
        }
        #[cfg(coro_poller = "faulty")]
        let mut disturber = self.disturber.borrow_mut();
        #[cfg(coro_poller = "faulty")]
        let happened = {
            let entries = self.entries.borrow();
            let socket =
                |(_, entry): (usize, &Entry)| matches!(entry.told, Told::Socket(_)).then_some(entry.key);
            disturber.told(waiter.happened(), entries.iter().filter_map(socket))
        };
        #[cfg(not(coro_poller = "faulty"))]
        let happened = waiter.happened();
        for (key, happened) in happened {
            let entries = self.entries.borrow();
            let Some(entry) = entries.get(key.index()).filter(|entry| entry.key == key) else { continue };
            match &entry.told {
                Told::Watch(source) => {
                    let source = source.upgrade();
                    drop(entries);
                    if let Some(source) = source {
                        source.ready();
                    }
                }
                Told::Socket(slot) => {
                    let slot = Rc::clone(slot);
                    drop(entries);
                    slot.happened(happened);
                }
            }
        }
        Ok(())
    }

    /// Tells who waits for `side` in the next round, where the poller's events would come: it is known to be ready.
    pub(crate) fn tell_soon(&self, slot: &Rc<Slot>, side: Side) {
        self.known.borrow_mut().push((Rc::clone(slot), side));
        self.shared.news.store(true, Ordering::Relaxed); // so that the loop looks here
    }

    /// Does what [`tell_soon`](Self::tell_soon) was asked for. Whether there was anything.
    pub(crate) fn tell_known(&self) -> bool {
        let known = self.known.take();
        known.iter().for_each(|(slot, side)| slot.wake(*side));
        !known.is_empty()
    }

    #[inline]
    fn slot(&self, key: Key) -> Option<Rc<Slot>> {
        match self.entries.borrow().get(key.index()) {
            Some(Entry { key: found, told: Told::Socket(slot) }) if *found == key => Some(Rc::clone(slot)),
            _ => None,
        }
    }

    fn insert(&self, told: Told) -> Key {
        let mut entries = self.entries.borrow_mut();
        let vacant = entries.vacant_entry();
        let key = Key::new(vacant.key());
        vacant.insert(Entry { key, told });
        key
    }
}

fn remove(entries: &RefCell<Slab<Entry>>, key: Key) -> Option<Entry> {
    let mut entries = entries.borrow_mut();
    entries.get(key.index()).filter(|entry| entry.key == key)?;
    Some(entries.remove(key.index()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notification_from_before_the_wait_ends_it_and_many_count_once() {
        let reactor = Reactor::new().unwrap();
        let notifier = reactor.notifier();
        for _ in 0..3 {
            (0..3).for_each(|_| notifier.notify());
            reactor.wait(None).unwrap();
            reactor.wait(Some(Duration::ZERO)).unwrap();
            assert!(!notifier.notified.load(Ordering::SeqCst));
        }
    }

    #[test]
    fn another_thread_ends_a_wait_without_limit() {
        let reactor = Reactor::new().unwrap();
        for _ in 0..100 {
            let notifier = reactor.notifier();
            let thread = std::thread::spawn(move || notifier.notify());
            reactor.wait(None).unwrap();
            thread.join().unwrap();
        }
    }

    #[test]
    fn no_two_keys_are_the_same() {
        let (first, second) = (Key::new(7), Key::new(7));
        assert_ne!(first, second);
        assert_eq!((first.index(), second.index()), (7, 7));
        assert_eq!(Key::from_bits(first.to_bits()), first);
    }
}
