//! Which loops of the process handle which signals, as the one signal handler sees it.
//!
//! 1. A signal is the library's from its first subscription to its last; then the former disposition is restored,
//!    unless somebody else has put theirs in the place of ours.
//! 2. Handlers of loops come first: each is told. Without any, the first SIGINT is counted for the `run` that handles
//!    Ctrl-C, and its loop woken; the loop then cancels main.
//! 3. A second SIGINT, one that comes when main has ended, and any signal in a child of a fork, restore the former
//!    disposition and raise the signal again: usually it ends the process.
//! 4. The table is replaced as a whole, and freed when no signal handler looks at it. The handler uses atomics, a
//!    write to wake a loop, `getpid`, `sigaction` and `raise`: all async-signal-safe. It neither locks nor allocates.
#![allow(unsafe_code)] // installs a signal handler, and reaches the doors of loops from it

use std::ffi::c_int;
use std::io;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering::SeqCst};

use parking_lot::Mutex;

use crate::events::Doors;

pub(super) const INTERRUPT: u8 = 2;
const _: () = assert!(libc::SIGINT == INTERRUPT as c_int);

/// What the signal handler reads. It belongs to `WRITER`, which keeps it alive.
static TABLE: AtomicPtr<Table> = AtomicPtr::new(ptr::null_mut());
/// How many handlers are looking at `TABLE` now, on whatever threads.
static READERS: AtomicUsize = AtomicUsize::new(0);
static WRITER: Mutex<Writer> = Mutex::new(Writer { current: None, subscriptions: 0 });

struct Writer {
    current: Option<Arc<Table>>,
    /// How many there ever were.
    subscriptions: u64,
}

struct Table {
    /// A child of a fork has this too, but it is not for it.
    process: u32,
    entries: Vec<Entry>,
}

/// A signal that is the library's.
#[derive(Clone)]
struct Entry {
    signal: c_int,
    state: Arc<State>,
    subscribers: Vec<Arc<Subscriber>>,
}

struct State {
    before: os::Disposition,
    /// Whether the next SIGINT is the first for the `run` that handles Ctrl-C.
    armed: AtomicBool,
    /// Whether the handler has restored `before`.
    restored: AtomicBool,
}

struct Subscriber {
    id: u64,
    /// One reference a subscription: the loop counts those, see `own_doors`.
    doors: Arc<Doors>,
    role: Role,
}

/// What a signal is to a loop.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// It is for the handlers of the loop.
    Handler,
    /// The first of them cancels the main task of `run`.
    Main,
}

impl Entry {
    /// In the signal handler: tells those who are to be told.
    fn deliver(&self, signal: u8) {
        let mut handled = false;
        for subscriber in self.subscribers.iter().filter(|subscriber| subscriber.role == Role::Handler) {
            subscriber.doors.arrivals.put(signal);
            subscriber.doors.notifier.notify();
            handled = true;
        }
        if handled {
            return;
        }
        match self.subscribers.first() {
            Some(main) if self.state.armed.swap(false, SeqCst) => {
                main.doors.interrupts.fetch_add(1, SeqCst);
                main.doors.notifier.notify();
            }
            _ => self.fall_through(),
        }
    }

    /// In the signal handler: lets the signal do what it did before.
    fn fall_through(&self) {
        // A second time it is called by what was there before, which is calling us: the signal has been handled.
        if !self.state.restored.swap(true, SeqCst) {
            os::restore(self.signal, &self.state.before);
            os::raise(self.signal); // it is blocked while its handler runs, and delivered on return
        }
    }
}

/// The signal handler.
extern "C" fn on_signal(signal: c_int) {
    READERS.fetch_add(1, SeqCst);
    os::in_handler(signal, || {
        // SAFETY: while READERS counts us, a table that `TABLE` points to is alive.
        let Some(table) = (unsafe { TABLE.load(SeqCst).as_ref() }) else { return };
        // None: it came just when it was given back.
        let Some(entry) = table.entries.iter().find(|entry| entry.signal == signal) else { return };
        match u8::try_from(signal) {
            Ok(signal) if table.process == std::process::id() => entry.deliver(signal),
            _ => entry.fall_through(),
        }
    });
    READERS.fetch_sub(1, SeqCst);
}

impl Writer {
    /// The entries as they are. In a child of a fork the subscriptions of its parent do not count.
    fn entries(&self) -> Vec<Entry> {
        let Some(table) = &self.current else { return Vec::new() };
        let mut entries = table.entries.clone();
        if table.process != std::process::id() {
            entries.iter_mut().for_each(|entry| entry.subscribers.clear());
        }
        entries
    }

    /// Shows new entries to the signal handler. Gives the old table, which no handler looks at any more: it is to be
    /// dropped when the lock is gone.
    fn publish(&mut self, entries: Vec<Entry>) -> Option<Arc<Table>> {
        let table = Arc::new(Table { process: std::process::id(), entries });
        TABLE.store(Arc::as_ptr(&table).cast_mut(), SeqCst);
        while READERS.load(SeqCst) > 0 {
            std::thread::yield_now(); // a handler on another thread is about to finish
        }
        self.current.replace(table)
    }
}

/// What a loop has of a signal, until it is dropped.
pub(super) struct Subscription {
    signal: c_int,
    id: u64,
}

impl Subscription {
    /// Asks for a signal. `None` for [`Role::Main`] if another `run` has it, or the program was told to ignore it, as
    /// `nohup` does.
    pub(super) fn new(signal: u8, doors: &Arc<Doors>, role: Role) -> io::Result<Option<Self>> {
        let signal = c_int::from(signal);
        let mut writer = WRITER.lock();
        let mut entries = writer.entries();
        let index = match entries.iter().position(|entry| entry.signal == signal) {
            Some(index) => index,
            None => {
                let before = os::current(signal)?;
                // Not in force yet: as if it had been restored.
                let state = State { before, armed: AtomicBool::new(false), restored: AtomicBool::new(true) };
                entries.push(Entry { signal, state: Arc::new(state), subscribers: Vec::new() });
                entries.len() - 1
            }
        };
        let entry = &mut entries[index];
        if role == Role::Main {
            let taken = entry.subscribers.iter().any(|subscriber| subscriber.role == Role::Main);
            if taken || os::is_ignored(&entry.state.before) {
                return Ok(None);
            }
            entry.state.armed.store(true, SeqCst);
        }
        writer.subscriptions += 1;
        let id = writer.subscriptions;
        entry.subscribers.push(Arc::new(Subscriber { id, doors: Arc::clone(doors), role }));
        let state = Arc::clone(&entry.state);
        let old = writer.publish(entries);
        let subscription = Self { signal, id };
        // The handler finds everything in place from its first signal on.
        let installed = match state.restored.swap(false, SeqCst) {
            true => os::install(signal),
            false => Ok(()),
        };
        drop(writer);
        drop(old);
        // Refused, the drop of the subscription takes the entry back.
        installed.map(|()| Some(subscription))
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut writer = WRITER.lock();
        let mut entries = writer.entries();
        let place = entries.iter().enumerate().find_map(|(index, entry)| {
            let own = entry.subscribers.iter().position(|subscriber| subscriber.id == self.id)?;
            Some((index, own))
        });
        // None: this is a child of a fork, and it was its parent's.
        let Some((index, own)) = place else { return };
        let entry = &mut entries[index];
        let gone = entry.subscribers.remove(own);
        if gone.role == Role::Main {
            entry.state.armed.store(false, SeqCst);
        }
        if entry.subscribers.is_empty() {
            let entry = entries.remove(index);
            if os::current(self.signal).is_ok_and(|current| os::is_ours(&current)) {
                os::restore(self.signal, &entry.state.before);
            }
        }
        let old = writer.publish(entries);
        drop(writer);
        drop((old, gone));
    }
}

/// Raises a signal that was given back, for this thread.
pub(super) fn raise(signal: u8) {
    os::raise(c_int::from(signal));
}

/// Whether this is the first thread of the program: Ctrl-C is for its `run` only.
pub(super) fn on_main_thread() -> bool {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    // SAFETY: both calls only read ids of the caller.
    return unsafe { libc::gettid() == libc::getpid() };
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    return std::thread::current().name() == Some("main");
}

#[cfg(unix)]
pub(super) use os::is_valid;

#[cfg(unix)]
mod os {
    use std::ffi::c_int;
    use std::io;
    use std::mem::MaybeUninit;
    use std::ptr;

    pub(super) type Disposition = libc::sigaction;

    fn handler() -> usize {
        super::on_signal as extern "C" fn(c_int) as *const () as usize
    }

    pub(super) fn is_ours(disposition: &Disposition) -> bool {
        disposition.sa_sigaction == handler()
    }

    pub(super) fn is_ignored(disposition: &Disposition) -> bool {
        disposition.sa_sigaction == libc::SIG_IGN
    }

    /// Whether there is such a signal. Those that the C library keeps for itself do not count.
    pub(in super::super) fn is_valid(signal: c_int) -> bool {
        let mut set = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: the first call fills the set, which the second one changes or refuses.
        signal > 0
            && unsafe {
                libc::sigemptyset(set.as_mut_ptr());
                libc::sigaddset(set.as_mut_ptr(), signal)
            } == 0
    }

    pub(super) fn current(signal: c_int) -> io::Result<Disposition> {
        let mut current = MaybeUninit::<libc::sigaction>::uninit();
        // SAFETY: without a new action it only asks for the present one, which is written to `current`.
        match unsafe { libc::sigaction(signal, ptr::null(), current.as_mut_ptr()) } {
            // SAFETY: the call succeeded, so it was written.
            0 => Ok(unsafe { current.assume_init() }),
            _ => Err(io::Error::last_os_error()),
        }
    }

    pub(super) fn install(signal: c_int) -> io::Result<()> {
        // SAFETY: all-zero is a valid sigaction; the fields that matter are set below.
        let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
        action.sa_sigaction = handler();
        // On the alternate stack of the thread, if it has one: that of a task may be nearly full.
        action.sa_flags = libc::SA_RESTART | libc::SA_ONSTACK;
        // SAFETY: it only writes the set. With all signals blocked, no second frame comes on that stack.
        unsafe { libc::sigfillset(&raw mut action.sa_mask) };
        // SAFETY: the action is complete, and the handler is async-signal-safe.
        match unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    pub(super) fn restore(signal: c_int, before: &Disposition) {
        // SAFETY: `before` is the complete action that was in force before.
        unsafe { libc::sigaction(signal, before, ptr::null_mut()) };
    }

    pub(super) fn raise(signal: c_int) {
        // SAFETY: a handler of the signal was there before, or is ours, and copes with being called here.
        unsafe { libc::raise(signal) };
    }

    /// Keeps `errno` as the interrupted code left it.
    pub(super) fn in_handler(_signal: c_int, f: impl FnOnce()) {
        #[cfg(any(target_os = "solaris", target_os = "illumos"))]
        use libc::___errno as errno;
        #[cfg(any(target_os = "android", target_os = "netbsd", target_os = "openbsd"))]
        use libc::__errno as errno;
        #[cfg(target_os = "linux")]
        use libc::__errno_location as errno;
        #[cfg(any(target_vendor = "apple", target_os = "freebsd", target_os = "dragonfly"))]
        use libc::__error as errno;
        // SAFETY: the pointer is to this thread's own errno.
        let errno = unsafe { errno() };
        // SAFETY: as above; nothing else writes to it meanwhile but `f`, on this thread.
        let saved = unsafe { errno.read() };
        f();
        // SAFETY: as above.
        unsafe { errno.write(saved) };
    }
}

/// The C library's signals. Handlers run on a thread of their own, and must be installed anew each time.
#[cfg(windows)]
mod os {
    use std::ffi::c_int;
    use std::io;

    pub(super) type Disposition = libc::sighandler_t;

    const DEFAULT: Disposition = 0;
    const IGNORE: Disposition = 1;
    const ASK: Disposition = 2;
    const REFUSED: Disposition = !0;

    fn handler() -> Disposition {
        super::on_signal as extern "C" fn(c_int) as *const () as Disposition
    }

    pub(super) fn is_ours(disposition: &Disposition) -> bool {
        *disposition == handler()
    }

    pub(super) fn is_ignored(disposition: &Disposition) -> bool {
        *disposition == IGNORE
    }

    fn set(signal: c_int, disposition: Disposition) -> io::Result<Disposition> {
        // SAFETY: it is a constant, a handler that was in force, or ours, which takes what such a one is given.
        match unsafe { libc::signal(signal, disposition) } {
            REFUSED => Err(io::Error::last_os_error()),
            before => Ok(before),
        }
    }

    pub(super) fn current(signal: c_int) -> io::Result<Disposition> {
        set(signal, ASK)
    }

    pub(super) fn install(signal: c_int) -> io::Result<()> {
        set(signal, handler()).map(drop)
    }

    pub(super) fn restore(signal: c_int, before: &Disposition) {
        let restored = set(signal, *before);
        // A handler that cannot be restored was one that nobody could install.
        debug_assert!(restored.is_ok() || *before == DEFAULT);
    }

    pub(super) fn raise(signal: c_int) {
        // SAFETY: a handler of the signal was there before, or is ours, and copes with being called here.
        unsafe { libc::raise(signal) };
    }

    pub(super) fn in_handler(signal: c_int, f: impl FnOnce()) {
        // It was taken out by its call. There is nobody to tell if that fails.
        let _ = install(signal);
        f();
    }
}
