//! Floor 0: what is said when a coroutine runs out of stack.
//!
//! Frames that grow too far touch the guard below their stack, and the kernel sends SIGSEGV (SIGBUS
//! on some systems). By itself that ends the process without a word. So, from the first slab on:
//!
//! ```text
//!   fault at address A, on a spare signal stack, since the coroutine's own is used up
//!     A in a guard of one of our slabs?   yes -> one line on fd 2 that names the task; abort
//!                                         no  -> whoever handled the signal before us
//! ```
//!
//! Aborting is the only end: to skip the frames without dropping them would break what borrows from
//! them. Everything that the handler does is safe in a signal handler:
//!
//! 1. it takes no lock and no memory: the text is made in a buffer on the signal stack;
//! 2. it finds slabs in a list that only ever grows. The entry of an unmapped slab is emptied and
//!    used again; `start` is its stamp: 0 while empty or being filled in, written last;
//! 3. it asks the floor above for the name through one function pointer ([`set_describe`]), with the
//!    signal open again, so that a fault in there cannot hide the overflow: it is reported unnamed.
#![allow(unsafe_code, reason = "signal handlers, and the memory they run on")]

use std::cell::UnsafeCell;
use std::fmt::{self, Write};
use std::mem::{self, MaybeUninit};
use std::ptr;
use std::sync::Once;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicPtr, AtomicUsize, fence};

use parking_lot::Mutex;

/// The signals that a touched guard raises.
const SIGNALS: [libc::c_int; 2] = [libc::SIGSEGV, libc::SIGBUS];

/// How the slots of a slab lie in memory.
#[derive(Clone, Copy)]
pub(super) struct Slots {
    pub(super) start: usize,
    pub(super) len: usize,
    pub(super) stride: usize,
    pub(super) guard: usize,
    /// What a coroutine may use of a slot, as it is told to people.
    pub(super) size: usize,
}

/// One entry of the list that the handler reads. Entries live for ever.
#[derive(Default)]
struct Entry {
    /// 0 while the other fields mean nothing.
    start: AtomicUsize,
    len: AtomicUsize,
    stride: AtomicUsize,
    guard: AtomicUsize,
    size: AtomicUsize,
    next: AtomicPtr<Entry>,
}

/// The newest entry.
static ENTRIES: AtomicPtr<Entry> = AtomicPtr::new(ptr::null_mut());

/// Empty entries. The handler never looks at it.
static VACANT: Mutex<Vec<&'static Entry>> = Mutex::new(Vec::new());

/// A slab is known to the handler as long as this lives.
pub(super) struct Published(&'static Entry);

/// Makes a slab known to the handler, and the handler to the kernel.
pub(super) fn publish(slots: Slots) -> Published {
    install();
    let vacant = VACANT.lock().pop();
    let entry = vacant.unwrap_or_else(|| {
        let entry: &'static Entry = Box::leak(Box::default());
        let mut head = ENTRIES.load(Relaxed);
        loop {
            entry.next.store(head, Relaxed);
            let new = ptr::from_ref(entry).cast_mut();
            match ENTRIES.compare_exchange_weak(head, new, Release, Relaxed) {
                Ok(_) => break entry,
                Err(now) => head = now,
            }
        }
    });
    entry.len.store(slots.len, Relaxed);
    entry.stride.store(slots.stride, Relaxed);
    entry.guard.store(slots.guard, Relaxed);
    entry.size.store(slots.size, Relaxed);
    entry.start.store(slots.start, Release);
    Published(entry)
}

impl Drop for Published {
    fn drop(&mut self) {
        self.0.start.store(0, Relaxed);
        // Whoever reads what the next owner writes finds that the stamp has changed.
        fence(Release);
        VACANT.lock().push(self.0);
    }
}

/// The slots whose guard has this address in it.
fn guard_at(address: usize) -> Option<Slots> {
    let mut next = ENTRIES.load(Acquire);
    // SAFETY: entries are never freed, and were filled before they were linked in.
    while let Some(entry) = unsafe { next.as_ref() } {
        next = entry.next.load(Relaxed);
        let slots = Slots {
            start: entry.start.load(Acquire),
            len: entry.len.load(Relaxed),
            stride: entry.stride.load(Relaxed),
            guard: entry.guard.load(Relaxed),
            size: entry.size.load(Relaxed),
        };
        fence(Acquire);
        let in_flux = slots.start == 0 || entry.start.load(Relaxed) != slots.start;
        let offset = address.wrapping_sub(slots.start);
        if !in_flux && offset < slots.len && offset % slots.stride < slots.guard {
            return Some(slots);
        }
    }
    None
}

/// What [`set_describe`] was given; null before.
static DESCRIBE: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

/// Sets the function that says which task runs on the calling thread, in the middle of a sentence:
/// "task 'boil' (coroutine 'boil' defined at src/main.rs:4)". Writing nothing means not to know.
///
/// It is called in a signal handler: it must not allocate, lock or wait, and may only read what its
/// thread cannot have been half-way through writing when it ran out of stack.
pub(crate) fn set_describe(describe: fn(&mut dyn Write)) {
    DESCRIBE.store(describe as *mut (), Release);
}

/// The thread that is telling of an overflow (as `pthread_self` numbers it; 0 for none), and the
/// overflow that it tells of.
static REPORTER: AtomicUsize = AtomicUsize::new(0);
static REPORTED: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];

/// Tells of the overflow, with the name of the task, and ends the process.
fn report(address: usize, size: usize) -> ! {
    let mut text = Text::new();
    // Of two threads that overflow at once, the second has no time to ask for names.
    if REPORTER.compare_exchange(0, this_thread(), AcqRel, Relaxed).is_ok() {
        REPORTED[0].store(address, Relaxed);
        REPORTED[1].store(size, Relaxed);
        let describe = DESCRIBE.load(Acquire);
        if !describe.is_null() {
            open_signals();
            // SAFETY: `set_describe` stored a function of this very type, the only thing ever stored.
            let describe: fn(&mut dyn Write) = unsafe { mem::transmute(describe) };
            describe(&mut text);
        }
    }
    finish(text, address, size)
}

/// Ends the sentence that the name began, and the process.
fn finish(mut text: Text, address: usize, size: usize) -> ! {
    if text.len == Text::START.len() {
        let _ = text.write_str("a coroutine");
    }
    text.end = text.bytes.len();
    let kib = size / 1024;
    let _ = writeln!(
        text,
        " overflowed its stack of {kib} KiB (its guard was touched at {address:#x}); \
         raise it with .stack_size({} * 1024)",
        kib * 2
    );
    text.print();
    // SAFETY: abort may be called from a signal handler.
    unsafe { libc::abort() }
}

fn this_thread() -> usize {
    // SAFETY: it only reads a number that the thread has.
    unsafe { libc::pthread_self() as usize }
}

/// Lets a fault inside the handler be heard.
fn open_signals() {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: the set is initialised by sigemptyset before use; all four may be called in a handler.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for signal in SIGNALS {
            libc::sigaddset(set.as_mut_ptr(), signal);
        }
        libc::pthread_sigmask(libc::SIG_UNBLOCK, set.as_ptr(), ptr::null_mut());
    }
}

/// A line in the making; what does not fit before `end` is cut off.
struct Text {
    bytes: [u8; 1024],
    len: usize,
    end: usize,
}

impl Text {
    const START: &str = "coro: ";
    /// Names end here, so that what is said after them still fits.
    const NAME_END: usize = 768;

    fn new() -> Self {
        let mut text = Text { bytes: [0; 1024], len: 0, end: Self::NAME_END };
        let _ = text.write_str(Self::START);
        text
    }

    fn print(&self) {
        let mut rest = &self.bytes[..self.len];
        while !rest.is_empty() {
            // SAFETY: `rest` is a valid slice, and write may be called from a signal handler.
            let count = unsafe { libc::write(2, rest.as_ptr().cast(), rest.len()) };
            match usize::try_from(count) {
                Ok(count) if count > 0 => rest = &rest[count.min(rest.len())..],
                _ => break,
            }
        }
    }
}

impl Write for Text {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        let count = s.len().min(self.end - self.len);
        self.bytes[self.len..self.len + count].copy_from_slice(&s.as_bytes()[..count]);
        self.len += count;
        Ok(())
    }
}

/// Who handled a signal before.
struct Previous(UnsafeCell<MaybeUninit<libc::sigaction>>);

// SAFETY: written once, before the handler that reads it is installed; only read from then on.
unsafe impl Sync for Previous {}

static PREVIOUS: [Previous; 2] = [const { Previous(UnsafeCell::new(MaybeUninit::uninit())) }; 2];

/// Installs the handler, once per process.
fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for (signal, previous) in SIGNALS.into_iter().zip(&PREVIOUS) {
            let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) = on_fault;
            // SAFETY: `Once` lets one thread in, and no handler of ours reads `previous` yet. The
            // new action is made from the old one, which sigaction has filled in, and keeps its
            // mask, so that a handler that we pass the signal on to meets what it asked for.
            unsafe {
                let previous = (*previous.0.get()).as_mut_ptr();
                if libc::sigaction(signal, ptr::null(), previous) != 0 {
                    continue;
                }
                let mut action = *previous;
                action.sa_sigaction = handler as *const () as usize;
                action.sa_flags = libc::SA_SIGINFO
                    | libc::SA_ONSTACK
                    | (action.sa_flags & (libc::SA_NODEFER | libc::SA_RESTART));
                libc::sigaction(signal, &raw const action, ptr::null_mut());
            }
        }
    });
}

/// The handler of both signals.
extern "C" fn on_fault(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel passes a valid siginfo_t. Codes above 0 are its own; then there is an address.
    let (from_kernel, address) = unsafe { ((*info).si_code > 0, (*info).si_addr().addr()) };
    if from_kernel && REPORTER.load(Acquire) == this_thread() {
        // Asking for the name has failed.
        let [address, size] = [REPORTED[0].load(Relaxed), REPORTED[1].load(Relaxed)];
        finish(Text::new(), address, size);
    }
    if from_kernel && let Some(slots) = guard_at(address) {
        report(address, slots.size);
    }
    pass_on(signal, info, context, from_kernel);
}

/// Does what would have been done with this signal without us.
fn pass_on(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void, from_kernel: bool) {
    let Some(index) = SIGNALS.iter().position(|own| *own == signal) else { return };
    // SAFETY: filled in before this handler was installed, and never written again.
    let previous = unsafe { (*PREVIOUS[index].0.get()).assume_init_ref() };
    let handler = previous.sa_sigaction;
    if handler == libc::SIG_IGN && !from_kernel {
        return;
    }
    if handler == libc::SIG_DFL || handler == libc::SIG_IGN {
        // A fault happens again on return (and cannot be ignored); a sent signal has to be sent again.
        restore_default(signal);
        if !from_kernel {
            // SAFETY: raise may be called from a signal handler.
            unsafe { libc::raise(signal) };
        }
        return;
    }
    if previous.sa_flags & libc::SA_RESETHAND != 0 {
        restore_default(signal);
    }
    // SAFETY: the kernel would have called this very function with these arguments; `SA_SIGINFO`
    // says which of the two types it has.
    unsafe {
        if previous.sa_flags & libc::SA_SIGINFO != 0 {
            type Long = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);
            mem::transmute::<usize, Long>(handler)(signal, info, context);
        } else {
            mem::transmute::<usize, extern "C" fn(libc::c_int)>(handler)(signal);
        }
    }
}

fn restore_default(signal: libc::c_int) {
    // SAFETY: an action of zeroes is a valid one; sigaction may be called from a signal handler.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        action.sa_sigaction = libc::SIG_DFL;
        libc::sigaction(signal, &raw const action, ptr::null_mut());
    }
}

/// A signal stack for the calling thread that is large enough to format a report on.
///
/// The standard library gives its threads one of about 8 KiB, half of which the kernel may fill with
/// registers; foreign threads have none. Dropped, it puts back what was there.
pub(super) struct SignalStack {
    start: *mut libc::c_void,
    before: libc::stack_t,
}

impl SignalStack {
    const GUARD: usize = 64 * 1024;
    const SIZE: usize = 64 * 1024;
    const ENOUGH: usize = 32 * 1024;

    /// Installs one, unless the thread has a large one, or stands on it.
    pub(super) fn install() -> Option<SignalStack> {
        // SAFETY: the thread's setting is only read, and a stack_t of zeroes is a valid one. The new
        // mapping is ours; it stays until the thread has its old signal stack back.
        unsafe {
            let mut before: libc::stack_t = mem::zeroed();
            if libc::sigaltstack(ptr::null(), &raw mut before) != 0
                || before.ss_flags & libc::SS_ONSTACK != 0
                || (before.ss_flags & libc::SS_DISABLE == 0 && before.ss_size >= Self::ENOUGH)
            {
                return None;
            }
            let start = libc::mmap(
                ptr::null_mut(),
                Self::GUARD + Self::SIZE,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANON,
                -1,
                0,
            );
            if start == libc::MAP_FAILED {
                return None;
            }
            libc::mprotect(start, Self::GUARD, libc::PROT_NONE);
            let own = Self { start, before };
            let mut after: libc::stack_t = mem::zeroed();
            after.ss_sp = start.byte_add(Self::GUARD);
            after.ss_size = Self::SIZE;
            (libc::sigaltstack(&raw const after, ptr::null_mut()) == 0).then_some(own)
        }
    }
}

impl Drop for SignalStack {
    fn drop(&mut self) {
        // SAFETY: what is put back was this thread's before. Our memory is unmapped only if the
        // thread does not use it any more; if somebody has put a third one on top, it stays.
        unsafe {
            let mut now: libc::stack_t = mem::zeroed();
            libc::sigaltstack(ptr::null(), &raw mut now);
            let ours = now.ss_sp == self.start.byte_add(Self::GUARD);
            let none = now.ss_flags & libc::SS_DISABLE != 0;
            if none || (ours && libc::sigaltstack(&raw const self.before, ptr::null_mut()) == 0) {
                libc::munmap(self.start, Self::GUARD + Self::SIZE);
            }
        }
    }
}

#[cfg(test)]
#[path = "overflow_tests.rs"]
mod tests;
