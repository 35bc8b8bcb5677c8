//! Sockets: registered once, with what is known of each direction, and handed from loop to loop.
//!
//! ```text
//!   Socket<T> ──key──► entry of the reactor ──► Slot: read [ready, who waits], write [ready, who waits]
//!   (any thread)       (one thread)
//! ```
//!
//! 1. A [`Socket`] is registered with the reactor that waited for it last. A key is found in the entries of its own
//!    reactor and in no other's.
//! 2. A registration is moved, and ended, under the socket's lock, by any thread: the poller is told at once, and the
//!    reactor that had it forgets the slot when it looks next. Who waits there is woken, to try again. If that one has to
//!    wait again, the socket stays registered with both: two loops do not take it from each other for ever.
//! 3. The poller is told before the file descriptor is closed, since the socket owns both.
//! 4. `ready` is set by an event and cleared by a system call that would block. Both happen on the reactor's thread,
//!    so that no event between them is lost.
//! 5. Tasks that wait for one direction take turns. The first is told; the next one when it leaves and there may be
//!    more. Nobody who comes later goes first. Wakers and callbacks have no turn: all are told.
#![allow(unsafe_code)] // hands sources to the poller

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::mem::ManuallyDrop;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
#[cfg(unix)]
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;
use std::rc::Rc;
#[cfg(unix)]
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::Waker;
use std::time::Duration;

use parking_lot::Mutex;
use polling::AsSource;
use slab::Slab;
use smallvec::SmallVec;
#[cfg(unix)]
use socket2::SockRef;

use super::{Entry, Happened, Key, Notifier, PolledSource, Reactor, Source, Told, remove, system};

/// A direction of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Read,
    Write,
}

/// What a wait for a socket means to a virtual clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    /// Nobody has to answer.
    Nothing,
    /// The other end is in this process: what was sent needs a moment to arrive.
    Moment,
    /// The other end is somewhere else, and takes real time.
    RealTime,
    /// Who connects, or sends a datagram, to this address is no concern of the clock.
    Open(SocketAddr),
    /// The other end may be in this loop, or somewhere else.
    Connection { local: SocketAddr, peer: SocketAddr },
}

impl Hold {
    fn local(self) -> Option<SocketAddr> {
        match self {
            Self::Open(local) | Self::Connection { local, .. } => Some(local),
            Self::Nothing | Self::Moment | Self::RealTime => None,
        }
    }
}

/// What can be waited for.
pub(crate) trait Endpoint: AsSource {
    /// Whether a read may end before all is read: at the end of a packet or line, or before what came with a file
    /// descriptor. Asked when it is registered.
    fn has_boundaries(&self) -> bool {
        true
    }

    /// Asked for under a virtual clock only.
    fn hold(&self) -> Hold;
}

#[derive(Default)]
struct Half {
    ready: Cell<bool>,
    /// In the order of coming.
    waits: RefCell<SmallVec<[Wait; 1]>>,
}

struct Wait {
    source: Rc<dyn Source>,
    /// One that takes turns stays until it leaves; others leave when they are told.
    turns: bool,
}

/// What a reactor knows of a socket.
pub(crate) struct Slot {
    read: Half,
    write: Half,
    /// A short read does not mean that all was read.
    keep_reading: Cell<bool>,
    /// Under a virtual clock.
    hold: RefCell<Option<Box<Hold>>>,
    /// Who is polled, in place of the one that was polled before.
    polled: [Cell<Option<Rc<dyn PolledSource>>>; 2],
    waiting: Rc<Cell<usize>>,
}

impl Slot {
    fn half(&self, side: Side) -> &Half {
        match side {
            Side::Read => &self.read,
            Side::Write => &self.write,
        }
    }

    /// Whether a system call may succeed.
    pub(crate) fn is_ready(&self, side: Side) -> bool {
        self.half(side).ready.get()
    }

    /// Notes that a system call would have blocked.
    pub(crate) fn set_blocked(&self, side: Side) {
        self.half(side).ready.set(false);
    }

    /// Notes that a system call moved less than was asked for. The next one would block: it need not be tried.
    pub(crate) fn note_short(&self, side: Side) {
        if system::SHORT_MEANS_EMPTY && !(side == Side::Read && self.keep_reading.get()) {
            self.set_blocked(side);
        }
    }

    /// Whether nobody is before one who comes now.
    pub(crate) fn is_free(&self, side: Side) -> bool {
        self.half(side).waits.borrow().iter().all(|wait| !wait.turns)
    }

    /// Tells `source` when `side` is ready, once, or in its turn: then it stays until it is removed.
    pub(crate) fn add(&self, side: Side, source: Rc<dyn Source>, turns: bool) {
        self.waiting.set(self.waiting.get() + 1);
        self.half(side).waits.borrow_mut().push(Wait { source, turns });
    }

    /// Tells `source` in the place of `old`, which was told for nothing, and keeps its turn.
    pub(crate) fn renew(&self, side: Side, old: *const dyn Source, source: Rc<dyn Source>) {
        let mut waits = self.half(side).waits.borrow_mut();
        if let Some(wait) = waits.iter_mut().find(|wait| ptr::addr_eq(Rc::as_ptr(&wait.source), old)) {
            wait.source = source;
        }
    }

    /// Tells `waker` when `side` is ready, and no waker that was given here before. `new` makes what tells it, if there is
    /// none that can be used again.
    pub(crate) fn set_polled(&self, side: Side, waker: &Waker, new: impl FnOnce() -> Rc<dyn PolledSource>) {
        let polled = &self.polled[side as usize];
        let old = polled.take();
        // While it is on its way to its waker, somebody else holds it.
        let unused = old.as_ref().is_some_and(|old| Rc::strong_count(old) == 1);
        let waits = old.as_ref().is_some_and(|old| self.has(side, Rc::as_ptr(old)));
        let wait = match old {
            Some(old) if unused || waits => old,
            _ => new(),
        };
        polled.set(Some(Rc::clone(&wait)));
        if !waits {
            self.add(side, Rc::clone(&wait) as Rc<dyn Source>, false);
        }
        wait.renew(waker); // last: the old waker is the user's
    }

    fn has(&self, side: Side, source: *const dyn PolledSource) -> bool {
        self.half(side).waits.borrow().iter().any(|wait| ptr::addr_eq(Rc::as_ptr(&wait.source), source))
    }

    /// Takes `source` back, if it is there still. Its turn goes to the next one.
    pub(crate) fn remove(&self, side: Side, source: *const dyn Source) {
        let mut waits = self.half(side).waits.borrow_mut();
        let found = waits.iter().position(|wait| ptr::addr_eq(Rc::as_ptr(&wait.source), source));
        let removed = found.map(|index| waits.remove(index));
        let others = !waits.is_empty();
        drop(waits);
        if let Some(Wait { turns, .. }) = removed {
            self.waiting.set(self.waiting.get() - 1);
            if turns && others && self.is_ready(side) {
                self.wake(side);
            }
        }
    }

    /// Tells the one whose turn it is, and all who take no turns.
    pub(super) fn wake(&self, side: Side) {
        let mut waits = self.half(side).waits.borrow_mut();
        match &**waits {
            [] => return,
            // What is most common, with less work.
            [Wait { source, turns: true }] => {
                let source = Rc::clone(source);
                drop(waits);
                return source.ready();
            }
            [Wait { turns: false, .. }] => {
                let only = waits.pop();
                self.waiting.set(self.waiting.get() - 1);
                drop(waits);
                return only.into_iter().for_each(|wait| wait.source.ready());
            }
            _ => {}
        }
        let mut told: SmallVec<[Rc<dyn Source>; 1]> = SmallVec::new();
        let before = waits.len();
        let mut first = true;
        waits.retain(|wait| {
            if !wait.turns || std::mem::take(&mut first) {
                told.push(Rc::clone(&wait.source));
            }
            wait.turns
        });
        self.waiting.set(self.waiting.get() - (before - waits.len()));
        drop(waits);
        told.into_iter().for_each(Source::ready);
    }

    /// Wakes all who wait, to try again.
    fn wake_all(&self) {
        for half in [&self.read, &self.write] {
            let waits = half.waits.take();
            self.waiting.set(self.waiting.get() - waits.len());
            waits.into_iter().for_each(|wait| wait.source.ready());
        }
    }

    /// Who waits for which direction.
    fn wanted(&self) -> [bool; 2] {
        [&self.read, &self.write].map(|half| !half.waits.borrow().is_empty())
    }

    pub(super) fn happened(&self, happened: Happened) {
        let Happened { readable, writable, keep_reading } = happened;
        self.keep_reading.set(self.keep_reading.get() || keep_reading);
        // A poller that forgets what it has reported forgets both directions: all must ask anew.
        for (side, changed) in [(Side::Read, readable), (Side::Write, writable)] {
            if changed {
                self.half(side).ready.set(true);
            }
            if changed || !system::SHORT_MEANS_EMPTY {
                self.wake(side);
            }
        }
    }
}

struct Registered {
    shared: Weak<Notifier>,
    key: Key,
}

type Registrations = SmallVec<[Registered; 1]>;

/// A socket, pipe or the like, that one reactor at a time waits for.
///
/// It is `Send` and `Sync` if `T` is: all that threads share is behind a lock or atomic.
pub(crate) struct Socket<T: Endpoint> {
    io: T,
    /// The bits of the key of the registration, the latest if there are several.
    key: AtomicUsize,
    registered: Mutex<Registrations>,
    /// Whether there may be several.
    contested: AtomicBool,
    closed: AtomicBool,
    listing: Mutex<Option<Box<Listing>>>,
}

/// No key has these bits.
const NOT_REGISTERED: usize = usize::MAX;

impl<T: Endpoint> Socket<T> {
    /// Takes `io`, which must not block.
    pub(crate) fn new(io: T) -> Self {
        Self {
            io,
            key: AtomicUsize::new(NOT_REGISTERED),
            registered: Mutex::default(),
            contested: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            listing: Mutex::new(None),
        }
    }

    pub(crate) fn get(&self) -> &T {
        &self.io
    }

    /// Makes its address known as one of the reactor's own until it is dropped, if the clock is virtual.
    pub(crate) fn list(&self, reactor: &Reactor) -> Option<Box<Hold>> {
        if !reactor.lists_addresses.get() {
            return None;
        }
        let hold = self.io.hold();
        let listing = hold.local().map(|local| Box::new(Listing::new(&reactor.shared, local)));
        let old = std::mem::replace(&mut *self.listing.lock(), listing);
        drop(old);
        Some(Box::new(hold))
    }

    /// What `reactor` knows of it, if it is registered there.
    #[inline]
    pub(crate) fn slot(&self, reactor: &Reactor) -> Option<Rc<Slot>> {
        match reactor.slot(Key::from_bits(self.key.load(Ordering::Relaxed))) {
            None if self.contested.load(Ordering::Relaxed) => self.find_slot(reactor),
            slot => slot,
        }
    }

    #[cold]
    fn find_slot(&self, reactor: &Reactor) -> Option<Rc<Slot>> {
        self.find(reactor, &self.registered.lock()).map(|(_, slot)| slot)
    }

    fn find(&self, reactor: &Reactor, registered: &Registrations) -> Option<(Key, Rc<Slot>)> {
        let here =
            |registered: &&Registered| ptr::eq(registered.shared.as_ptr(), Arc::as_ptr(&reactor.shared));
        let key = registered.iter().find(here)?.key;
        Some((key, reactor.slot(key)?))
    }

    /// Registers it with `reactor`, taking it from the one that had it; or sharing it with that one, if `join`, which one
    /// asks for who was robbed while it waited.
    #[inline]
    pub(crate) fn settle(&self, reactor: &Reactor, join: bool) -> io::Result<Rc<Slot>> {
        match self.slot(reactor) {
            Some(slot) => Ok(slot),
            None => self.move_in(reactor, join),
        }
    }

    #[cold]
    fn move_in(&self, reactor: &Reactor, join: bool) -> io::Result<Rc<Slot>> {
        let hold = self.list(reactor);
        let mut registered = self.registered.lock();
        let mut left = Registrations::new();
        if join {
            self.contested.store(true, Ordering::Relaxed);
            registered.retain(|registered| registered.shared.strong_count() > 0);
        } else {
            left = self.leave(&mut registered);
        }
        let result = self.register(reactor, hold, &mut registered);
        drop(registered);
        forget(left);
        result
    }

    fn register(
        &self,
        reactor: &Reactor,
        hold: Option<Box<Hold>>,
        registered: &mut Registrations,
    ) -> io::Result<Rc<Slot>> {
        let slot = Rc::new(Slot {
            read: Half::default(),
            write: Half::default(),
            keep_reading: Cell::new(system::SHORT_MEANS_EMPTY && self.io.has_boundaries()),
            hold: RefCell::new(hold),
            polled: Default::default(),
            waiting: Rc::clone(&reactor.waiting),
        });
        let key = reactor.insert(Told::Socket(Rc::clone(&slot)));
        // SAFETY: this socket owns the source, and takes it out of the poller before it lets go of it. If it is leaked,
        // the source stays open.
        if let Err(error) = unsafe { system::add(&reactor.shared.poller, self.io.source(), key) } {
            remove(&reactor.entries, key);
            return Err(error);
        }
        self.key.store(key.to_bits(), Ordering::Relaxed);
        registered.push(Registered { shared: Arc::downgrade(&reactor.shared), key });
        Ok(slot)
    }

    /// Asks anew what a wait for it means to a virtual clock, now that it has another end.
    pub(crate) fn note_connected(&self, reactor: &Reactor) {
        let hold = self.list(reactor);
        if let (Some(hold), Some(slot)) = (hold, self.slot(reactor)) {
            slot.hold.replace(Some(hold));
        }
    }

    /// Asks for a report, where one must be asked for, after somebody has begun to wait.
    pub(crate) fn arm(&self, reactor: &Reactor, slot: &Slot) -> io::Result<()> {
        let mut key = Key::from_bits(self.key.load(Ordering::Relaxed));
        if self.contested.load(Ordering::Relaxed) {
            let Some((own, _)) = self.find(reactor, &self.registered.lock()) else { return Ok(()) };
            key = own;
        }
        system::arm(&reactor.shared.poller, self.io.source(), key, || slot.wanted())
    }

    /// Takes it out of the pollers. What this gives must be forgotten when the lock is free: wakers may be dropped then.
    fn leave(&self, registered: &mut Registrations) -> Registrations {
        self.key.store(NOT_REGISTERED, Ordering::Relaxed);
        for shared in registered.iter().filter_map(|registered| registered.shared.upgrade()) {
            shared.delete(self.io.source());
        }
        std::mem::take(registered)
    }

    /// Closes it under all who use it: who waits, on whichever loop, wakes and finds that
    /// [`is_closed`](Self::is_closed). The number of the file descriptor stays taken until this is dropped.
    pub(crate) fn close(&self) -> io::Result<()> {
        let mut registered = self.registered.lock();
        self.closed.store(true, Ordering::SeqCst);
        let left = self.leave(&mut registered);
        let result = end(&self.io.source());
        drop(registered);
        forget(left);
        result
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Ends the registration and gives what it was made of.
    pub(crate) fn into_inner(self) -> T {
        let mut this = ManuallyDrop::new(self);
        let mut registered = std::mem::take(this.registered.get_mut());
        forget(this.leave(&mut registered));
        let listing = this.listing.get_mut().take();
        drop(listing);
        // SAFETY: `this` is never used nor dropped again, and what else it holds needs no drop.
        unsafe { ptr::read(&this.io) }
    }
}

impl<T: Endpoint> Drop for Socket<T> {
    fn drop(&mut self) {
        let mut registered = std::mem::take(self.registered.get_mut());
        forget(self.leave(&mut registered));
    }
}

/// The socket that leads nowhere for all that are closed while the system has no room for one more.
#[cfg(unix)]
static SPARE: OnceLock<socket2::Socket> = OnceLock::new();

/// Makes sure that sockets can be closed when file descriptors have run out.
#[cfg(unix)]
pub(super) fn keep_spare() -> io::Result<()> {
    if SPARE.get().is_none() {
        // Another thread may have been faster.
        let _ = SPARE.set(nothing()?);
    }
    Ok(())
}

#[cfg(unix)]
fn nothing() -> io::Result<socket2::Socket> {
    // Of a stream that is not connected: whatever is tried with it is an error at once.
    let nothing = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None)?;
    nothing.set_nonblocking(true)?;
    Ok(nothing)
}

/// Ends what `source` is, whose number stays taken.
#[cfg(unix)]
fn end(source: &BorrowedFd<'_>) -> io::Result<()> {
    let replaced = match nothing() {
        // Its own, for options that are set on it still.
        Ok(nothing) => replace(source, &nothing),
        Err(error) => SPARE.get().map_or(Err(error), |nothing| replace(source, nothing)),
    };
    // A number above a limit that was lowered cannot be replaced: then the other end at least is told.
    let shut_down = || SockRef::from(source).shutdown(std::net::Shutdown::Both);
    replaced.or_else(|error| shut_down().map_err(|_| error))
}

/// Puts `nothing` in the place of `source`: nobody who has its number is misled.
#[cfg(unix)]
fn replace(source: &BorrowedFd<'_>, nothing: &socket2::Socket) -> io::Result<()> {
    let number = source.as_raw_fd();
    // SAFETY: both are open, and the one who owns the number goes on owning it.
    let result = unsafe { libc::dup2(nothing.as_raw_fd(), number) };
    if result == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(rustix::io::fcntl_setfd(source, rustix::io::FdFlags::CLOEXEC)?)
}

/// Here it is closed when it is dropped.
#[cfg(not(unix))]
fn end<S>(_: &S) -> io::Result<()> {
    Ok(())
}

/// An address that a socket of a reactor has.
struct Listing {
    shared: Weak<Notifier>,
    address: SocketAddr,
}

/// The addresses of a reactor's own sockets, and how many have each.
pub(super) type Addresses = BTreeMap<SocketAddr, usize>;

impl Listing {
    fn new(shared: &Arc<Notifier>, address: SocketAddr) -> Self {
        *shared.addresses.lock().entry(address).or_default() += 1;
        Self { shared: Arc::downgrade(shared), address }
    }
}

impl Drop for Listing {
    fn drop(&mut self) {
        let Some(shared) = self.shared.upgrade() else { return };
        let mut addresses = shared.addresses.lock();
        if let Some(count) = addresses.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                addresses.remove(&self.address);
            }
        }
    }
}

impl Notifier {
    /// Lets the reactor forget a registration that was ended, and wake who waits there.
    fn abandon(&self, key: Key) {
        self.abandoned.lock().push(key);
        self.has_abandoned.store(true, Ordering::SeqCst);
        self.notify();
    }

    /// Whether a socket with `peer` at the other end talks to one of this reactor's own.
    fn is_own(&self, peer: SocketAddr) -> bool {
        let addresses = self.addresses.lock();
        let any: IpAddr = match peer {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        addresses.contains_key(&peer) || addresses.contains_key(&SocketAddr::new(any, peer.port()))
    }
}

/// The entries of a reactor on this thread.
struct Local {
    shared: *const Notifier,
    entries: std::rc::Weak<RefCell<Slab<Entry>>>,
}

thread_local! {
    static LOCAL: RefCell<Vec<Local>> = const { RefCell::new(Vec::new()) };
}

/// Lets reactors forget registrations that were ended: at once if they are on this thread, else when they look next.
fn forget(left: Registrations) {
    for Registered { shared, key } in left {
        let Some(shared) = shared.upgrade() else { continue };
        let entries = LOCAL.try_with(|local| {
            let local = local.borrow();
            local.iter().find(|local| ptr::eq(local.shared, Arc::as_ptr(&shared)))?.entries.upgrade()
        });
        match entries {
            Ok(Some(entries)) => forget_here(&entries, key),
            _ => shared.abandon(key),
        }
    }
}

fn forget_here(entries: &RefCell<Slab<Entry>>, key: Key) {
    let entry = remove(entries, key);
    if let Some(Entry { told: Told::Socket(slot), .. }) = entry {
        slot.wake_all();
    }
}

impl Reactor {
    pub(super) fn enter_thread(&self) {
        let local = Local { shared: Arc::as_ptr(&self.shared), entries: Rc::downgrade(&self.entries) };
        // At the end of the thread there is no list any more, and nothing will be registered.
        let _ = LOCAL.try_with(|all| all.borrow_mut().push(local));
    }

    /// Forgets the registrations that other threads have ended, and wakes who waits there.
    pub(super) fn forget_abandoned(&self) {
        if !self.shared.has_abandoned.load(Ordering::Acquire) {
            return;
        }
        self.shared.has_abandoned.store(false, Ordering::SeqCst);
        let abandoned = std::mem::take(&mut *self.shared.abandoned.lock());
        abandoned.into_iter().for_each(|key| forget_here(&self.entries, key));
    }

    /// What the waits for sockets mean to a virtual clock, all in all.
    pub(crate) fn hold(&self) -> Hold {
        let mut all = Hold::Nothing;
        for (_, entry) in self.entries.borrow().iter() {
            let hold = match &entry.told {
                Told::Watch(_) => Hold::Moment,
                Told::Socket(slot) if slot.wanted() == [false; 2] => Hold::Nothing,
                Told::Socket(slot) => slot.hold.borrow().as_deref().copied().unwrap_or(Hold::Moment),
            };
            match hold {
                Hold::RealTime => return Hold::RealTime,
                Hold::Connection { peer, .. } if !self.shared.is_own(peer) => return Hold::RealTime,
                // Somebody of this loop may just be connecting.
                Hold::Connection { .. } | Hold::Open(_) | Hold::Moment => all = Hold::Moment,
                Hold::Nothing => {}
            }
        }
        all
    }
}

impl Drop for Reactor {
    fn drop(&mut self) {
        let own = Arc::as_ptr(&self.shared);
        // At the end of the thread the list may be gone already.
        let _ = LOCAL.try_with(|all| all.borrow_mut().retain(|local| !ptr::eq(local.shared, own)));
    }
}

/// Blocks the thread until `side` is ready; false if `timeout` passes first.
#[cfg(unix)]
pub(crate) fn block_until_ready(
    io: &impl AsSource,
    side: Side,
    timeout: Option<Duration>,
) -> io::Result<bool> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let flags = match side {
        Side::Read => PollFlags::IN,
        Side::Write => PollFlags::OUT,
    };
    let source = io.source();
    let limit = timeout.map(|timeout| Timespec {
        tv_sec: timeout.as_secs().try_into().unwrap_or(i64::MAX),
        tv_nsec: timeout.subsec_nanos().into(),
    });
    match poll(&mut [PollFd::new(&source, flags)], limit.as_ref()) {
        // Who called looks again, and how much time is left.
        Err(rustix::io::Errno::INTR) => Ok(true),
        result => Ok(result? > 0),
    }
}

/// Blocks the thread until `side` is ready; false if `timeout` passes first.
#[cfg(not(unix))]
pub(crate) fn block_until_ready(
    io: &impl AsSource,
    side: Side,
    timeout: Option<Duration>,
) -> io::Result<bool> {
    let poller = polling::Poller::new()?;
    let event = match side {
        Side::Read => polling::Event::readable(0),
        Side::Write => polling::Event::writable(0),
    };
    let source = io.source();
    // SAFETY: it is deleted below, while `io` is borrowed.
    unsafe { poller.add(&source, event)? };
    let result = poller.wait(&mut polling::Events::new(), timeout);
    poller.delete(source)?;
    Ok(result? > 0)
}
