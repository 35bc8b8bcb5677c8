//! Floor 0: guards, the memory below a stack that must not be touched.
//!
//! Two ways to make one:
//!
//! ```text
//!                        what the kernel keeps                   mappings
//!   MADV_GUARD_INSTALL   a mark in the page table                none of its own: the slab stays one
//!   mprotect             the slab split around the guard         two for each stack
//! ```
//!
//! The first needs Linux 6.13. Whether it is there is asked of the kernel once per process: not its
//! version, nor the return value alone (an emulator may say yes to any advice), but whether the
//! guarded memory then really is out of reach.
//!
//! The second runs into `vm.max_map_count` (65,530 unless set), and a process that has used that up
//! dies in some innocent `malloc`. So its guards are counted, and stop at 40 % of it: at two mappings
//! each, that leaves a fifth of the table to everybody else.
#![allow(unsafe_code, reason = "madvise and mprotect on memory that slab.rs owns")]

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::StackError;

/// The least size of a guard. C code does not probe its frames page by page as Rust does, so it is
/// more than one page, to catch most of the jumps.
const MIN_GUARD: usize = 16 * 1024;

/// The size of a guard where pages are `page` bytes.
pub(super) fn size(page: usize) -> usize {
    MIN_GUARD.next_multiple_of(page)
}

/// How a pool makes its guards.
#[derive(Clone, Copy)]
pub(super) enum Guards {
    /// The best way that the kernel has, with the budget of the process for the second best.
    Best,
    /// By mprotect alone, within a budget of its own: what an old kernel does, for tests.
    #[cfg(test)]
    Protect(&'static Budget),
}

/// A guard that was made, and what to give back when its memory is unmapped.
pub(super) enum Guard {
    /// A mark in the page table; it goes with the mapping.
    #[cfg_attr(not(any(target_os = "linux", target_os = "android")), allow(dead_code))]
    Advice,
    /// A place in this budget.
    Protect(&'static Budget),
}

impl Guards {
    /// Makes the `len` bytes at `at` a guard. `size` is the size of the stack above it, for errors.
    ///
    /// # Safety
    ///
    /// The bytes are whole pages of a private anonymous mapping that the caller owns, and nothing in
    /// them is in use.
    pub(super) unsafe fn install(self, at: *mut u8, len: usize, size: usize) -> Result<Guard, StackError> {
        let budget = match self {
            Guards::Best => {
                // SAFETY: passed on from the caller.
                if unsafe { advise(at, len) } {
                    return Ok(Guard::Advice);
                }
                &PROCESS
            }
            #[cfg(test)]
            Guards::Protect(budget) => budget,
        };
        budget.enter()?;
        // SAFETY: the caller owns these pages and uses nothing in them.
        if unsafe { libc::mprotect(at.cast(), len, libc::PROT_NONE) } != 0 {
            let answer = io::Error::last_os_error();
            budget.leave(1);
            return Err(StackError::refused(size, answer));
        }
        Ok(Guard::Protect(budget))
    }
}

/// The guards that mprotect may make, and has made.
pub(super) struct Budget {
    used: AtomicUsize,
    /// `vm.max_map_count`, read when first needed; `usize::MAX` where there is no such limit.
    max_map_count: OnceLock<usize>,
}

/// The budget that all threads share.
static PROCESS: Budget = Budget { used: AtomicUsize::new(0), max_map_count: OnceLock::new() };

impl Budget {
    /// A budget of its own, as if the kernel allowed this many mappings.
    #[cfg(test)]
    pub(super) fn with_max_map_count(max_map_count: usize) -> Self {
        Budget { used: AtomicUsize::new(0), max_map_count: OnceLock::from(max_map_count) }
    }

    /// How many guards it has now.
    #[cfg(test)]
    pub(super) fn used(&self) -> usize {
        self.used.load(Relaxed)
    }

    fn enter(&self) -> Result<(), StackError> {
        let max_map_count = *self.max_map_count.get_or_init(max_map_count);
        let limit = max_map_count / 5 * 2;
        self.used
            .try_update(Relaxed, Relaxed, |used| (used < limit).then_some(used + 1))
            .map(drop)
            .map_err(|in_use| StackError::TooManyGuards { in_use, limit, max_map_count })
    }

    /// Gives `count` places back.
    pub(super) fn leave(&self, count: usize) {
        self.used.fetch_sub(count, Relaxed);
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn max_map_count() -> usize {
    const KERNEL_DEFAULT: usize = 65_530;
    let text = std::fs::read_to_string("/proc/sys/vm/max_map_count").unwrap_or_default();
    text.trim().parse().unwrap_or(KERNEL_DEFAULT)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn max_map_count() -> usize {
    usize::MAX
}

/// Makes a guard by advice, if the kernel knows how.
///
/// # Safety
///
/// As for [`Guards::install`].
#[cfg(any(target_os = "linux", target_os = "android"))]
unsafe fn advise(at: *mut u8, len: usize) -> bool {
    use std::sync::atomic::AtomicU8;
    const UNKNOWN: u8 = 0;
    const WORKS: u8 = 1;
    const FAILS: u8 = 2;
    const MADV_GUARD_INSTALL: libc::c_int = 102;
    static ADVICE: AtomicU8 = AtomicU8::new(UNKNOWN);

    let known = ADVICE.load(Relaxed);
    if known == FAILS {
        return false;
    }
    // SAFETY: the caller owns these pages and uses nothing in them.
    let done = unsafe { libc::madvise(at.cast(), len, MADV_GUARD_INSTALL) } == 0;
    if known == WORKS {
        // A refusal now is about this mapping (locked memory, say), not about the kernel.
        return done;
    }
    let works = done && is_out_of_reach(at);
    ADVICE.store(if works { WORKS } else { FAILS }, Relaxed);
    works
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
unsafe fn advise(_at: *mut u8, _len: usize) -> bool {
    false
}

/// Asks the kernel to write a byte to `at`: `EFAULT` says that it cannot.
///
/// (A random byte, since that call takes any address, needs no file, and tools that watch the program
/// leave the touching of memory to the kernel.)
#[cfg(any(target_os = "linux", target_os = "android"))]
fn is_out_of_reach(at: *mut u8) -> bool {
    // SAFETY: the kernel checks the address itself and answers with an error; the byte, if it gets
    // there after all, is one that nobody uses yet.
    let answer = unsafe { libc::syscall(libc::SYS_getrandom, at, 1_usize, libc::GRND_NONBLOCK) };
    answer == -1 && io::Error::last_os_error().raw_os_error() == Some(libc::EFAULT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guard_is_never_less_than_a_page() {
        assert_eq!(size(4096), 16 * 1024);
        assert_eq!(size(65536), 65536);
    }

    #[test]
    fn the_budget_stops_at_two_fifths_and_takes_back() {
        let budget = Budget::with_max_map_count(10);
        for _ in 0..4 {
            budget.enter().unwrap();
        }
        let error = budget.enter().unwrap_err();
        assert!(matches!(error, StackError::TooManyGuards { in_use: 4, limit: 4, max_map_count: 10 }));
        budget.leave(1);
        budget.enter().unwrap();
        assert_eq!(budget.used(), 4);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn ordinary_memory_is_not_taken_for_a_guard() {
        let mut byte = 0;
        assert!(!is_out_of_reach(&raw mut byte));
    }
}
