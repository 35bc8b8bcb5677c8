//! Floor 0: a slab is one mapping, carved into stacks of one size.
//!
//! ```text
//!   start                                                                      start + len
//!     | slot 0             | slot 1             | ...        | not carved yet     |
//!     | guard |  usable  |c| guard |  usable  |c|            |                    |
//!     limit         base  top = next limit
//! ```
//!
//! - A slot is carved, and its guard made, when it is first handed out: a big slab costs nothing in
//!   advance but address space.
//! - `c` is a page for the colour of the slot: `base` lies `index % 16 * 64` bytes below `top`.
//!   Without it every stack would begin at the same place of its page, and the busiest lines of
//!   thousands of stacks would share a few cache sets. One round trip, round robin over N coroutines
//!   that touch 64 and 512 bytes (best of 45 runs, AMD EPYC, 48 KiB L1, 1 MiB L2):
//!
//!   ```text
//!             N = 1,000            N = 10,000           N = 100,000
//!     plain   4.3 ns   10.2 ns     5.0 ns   12.1 ns     29.4 ns   65.4 ns
//!     16*64   3.2 ns    8.6 ns     5.1 ns   11.4 ns     28.1 ns   40.5 ns
//!   ```
//!
//!   Wider colours (8*256, 16*256) were slower than these, and push more tasks onto a second page.
//! - Pages given back ([`Slab::release`]) read as zero when touched again; guards survive that.
//! - The mapping is without huge pages (one touched byte would make 2 MiB resident) and without
//!   reserved swap. While a slot is out, or leaked, the slab is never unmapped.
#![allow(unsafe_code, reason = "maps, advises and unmaps memory")]

use std::cell::{Cell, RefCell};
use std::io;
use std::ptr::{self, NonNull};

use corosensei::stack::valgrind::ValgrindStackRegistration;

use super::guard::{Guard, Guards};
use super::overflow::{self, Published, Slots};
use super::{StackError, guard};

/// How many different colours there are, and how far they lie apart: less than a page in all.
const COLOURS: usize = 16;
const COLOUR_STEP: usize = 64;
const _: () = assert!(COLOURS * COLOUR_STEP <= MIN_PAGE);

/// `top` is a multiple of this on every system.
const MIN_PAGE: usize = 4096;

/// One mapping and what is known about its slots.
pub(super) struct Slab {
    start: NonNull<u8>,
    len: usize,
    /// From one slot to the next: guard, usable part, colour.
    stride: usize,
    guard: usize,
    guards: Guards,
    carved: Cell<usize>,
    /// Guards that are counted in a budget, and which.
    protected: Cell<usize>,
    budget: Cell<Option<&'static guard::Budget>>,
    /// For every carved slot, valgrind's number of it.
    valgrind: RefCell<Vec<ValgrindStackRegistration>>,
    /// What the overflow handler sees of this slab.
    _published: Published,
    /// Slots that coroutines hold.
    pub(super) out: Cell<usize>,
    /// Free slots whose pages were given back.
    pub(super) cold: Cell<usize>,
}

impl Slab {
    /// Maps room for at most `count` stacks of `size` bytes: fewer, if the kernel has not so much.
    pub(super) fn map(size: usize, count: usize, guards: Guards) -> Result<Slab, StackError> {
        let page = page_size();
        let guard = guard::size(page);
        let stride = guard + size.next_multiple_of(page) + page;
        let mut count = count.max(1);
        loop {
            match map_memory(stride * count) {
                Ok(start) => {
                    let len = stride * count;
                    return Ok(Slab {
                        start,
                        len,
                        stride,
                        guard,
                        guards,
                        carved: Cell::new(0),
                        protected: Cell::new(0),
                        budget: Cell::new(None),
                        valgrind: RefCell::new(Vec::new()),
                        _published: overflow::publish(Slots {
                            start: start.addr().get(),
                            len,
                            stride,
                            guard,
                            size,
                        }),
                        out: Cell::new(0),
                        cold: Cell::new(0),
                    });
                }
                // Strict overcommit or a limit of address space: be content with less.
                Err(_) if count > 1 => count /= 2,
                Err(answer) => return Err(StackError::refused(size, answer)),
            }
        }
    }

    /// How many slots there are, carved or not.
    pub(super) fn capacity(&self) -> usize {
        self.len / self.stride
    }

    /// Address space, in bytes.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Whether every slot that was ever handed out is free, with its pages given back.
    pub(super) fn is_wholly_cold(&self) -> bool {
        self.cold.get() == self.carved.get()
    }

    /// Makes the next slot a stack and returns its base; `None` if all of them are carved.
    pub(super) fn carve(&self) -> Result<Option<NonNull<u8>>, StackError> {
        let index = self.carved.get();
        if index == self.capacity() {
            return Ok(None);
        }
        let usable = self.stride - self.guard;
        // SAFETY: `index` is below the capacity, so that the whole slot lies inside the mapping.
        let limit = unsafe { self.start.add(index * self.stride) };
        // SAFETY: whole pages of our own mapping, and nobody has had this slot yet.
        match unsafe { self.guards.install(limit.as_ptr(), self.guard, usable)? } {
            Guard::Advice => {}
            Guard::Protect(budget) => {
                self.protected.set(self.protected.get() + 1);
                self.budget.set(Some(budget));
            }
        }
        self.carved.set(index + 1);
        self.valgrind.borrow_mut().push(ValgrindStackRegistration::new(limit.as_ptr(), self.stride));
        let colour = index % COLOURS * COLOUR_STEP;
        // SAFETY: the colour is less than the page at the top of the slot.
        Ok(Some(unsafe { limit.add(self.stride - colour) }))
    }

    /// The lowest address of the slot with this base: its guard begins there.
    #[inline]
    pub(super) fn limit(&self, base: NonNull<u8>) -> usize {
        base.addr().get().next_multiple_of(MIN_PAGE) - self.stride
    }

    /// How many bytes a coroutine may use below this base.
    #[cfg(test)]
    pub(super) fn usable(&self, base: NonNull<u8>) -> usize {
        base.addr().get() - self.limit(base) - self.guard
    }

    /// Gives the pages of `slots` neighbouring slots back to the kernel, of which `lowest` is the
    /// base of the lowest.
    ///
    /// # Safety
    ///
    /// They are carved slots of this slab, and free: nothing on them will be read again.
    pub(super) unsafe fn release(&self, lowest: NonNull<u8>, slots: usize) {
        // Linux's MADV_DONTNEED drops the pages at once; elsewhere that name means less.
        #[cfg(any(target_os = "linux", target_os = "android"))]
        const GIVE_BACK: libc::c_int = libc::MADV_DONTNEED;
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        const GIVE_BACK: libc::c_int = libc::MADV_FREE;
        let offset = self.limit(lowest) - self.start.addr().get() + self.guard;
        let len = slots * self.stride - self.guard;
        // SAFETY: the range begins above the first guard and ends with the last slot, inside the
        // mapping; the caller promises that the contents are not needed. A refusal does no harm.
        unsafe { libc::madvise(self.start.as_ptr().add(offset).cast(), len, GIVE_BACK) };
    }

    /// Whether the slot with base `next` lies just above the one with base `base`.
    pub(super) fn are_neighbours(&self, base: NonNull<u8>, next: NonNull<u8>) -> bool {
        self.limit(next) == self.limit(base) + self.stride
    }
}

impl Drop for Slab {
    fn drop(&mut self) {
        debug_assert_eq!(self.out.get(), 0, "a slab with a stack still out must not be unmapped");
        self.valgrind.get_mut().clear();
        // SAFETY: the mapping is ours, and no slot is out: nobody has a pointer into it.
        let answer = unsafe { libc::munmap(self.start.as_ptr().cast(), self.len) };
        debug_assert_eq!(answer, 0);
        if let Some(budget) = self.budget.get() {
            budget.leave(self.protected.get());
        }
    }
}

/// Maps `len` bytes of zeroes.
fn map_memory(len: usize) -> io::Result<NonNull<u8>> {
    // MAP_STACK: OpenBSD insists on it, Linux takes it as a wish for small pages.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    const FLAGS: libc::c_int =
        libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_STACK;
    #[cfg(any(target_os = "openbsd", target_os = "netbsd"))]
    const FLAGS: libc::c_int = libc::MAP_PRIVATE | libc::MAP_ANON | libc::MAP_STACK;
    #[cfg(not(any(
        target_os = "linux",
        target_os = "android",
        target_os = "openbsd",
        target_os = "netbsd"
    )))]
    const FLAGS: libc::c_int = libc::MAP_PRIVATE | libc::MAP_ANON;

    // SAFETY: a new anonymous mapping at an address of the kernel's choice touches nothing of ours.
    let start = unsafe { libc::mmap(ptr::null_mut(), len, libc::PROT_READ | libc::PROT_WRITE, FLAGS, -1, 0) };
    if start == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the mapping was just made, and advice about page sizes cannot hurt it. A kernel
    // without huge pages refuses, which is as good.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    unsafe {
        libc::madvise(start, len, libc::MADV_NOHUGEPAGE);
    }
    NonNull::new(start.cast()).ok_or_else(|| io::Error::other("mmap returned the null page"))
}

fn page_size() -> usize {
    // SAFETY: it only reads a constant of the system.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(page).unwrap_or(MIN_PAGE).max(MIN_PAGE)
}
