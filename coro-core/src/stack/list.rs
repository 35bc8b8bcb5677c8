//! Floor 0: the free stacks of one size, and how long they keep their pages.
//!
//! ```text
//!              give back               trim                   a slab wholly cold
//!   in use  ------------->  warm  -------------->  cold  ---------------------------> unmapped
//!           <-------------        (MADV_DONTNEED)
//!              take, last in first out; if warm is empty, from cold; if that is, carve a slot
//! ```
//!
//! - *Warm* stacks still have their pages; the last one given back is the first one taken, hot in
//!   the cache. *Cold* ones cost address space and page tables alone.
//! - What sinks to the bottom of `warm` is not needed. Three things make it cold: a whole second in
//!   which the bottom was not touched (half of it goes, looked at every 1,024th give-back); more than
//!   [`HIGH_WATER`] warm stacks (half of them go); a thread that is about to idle (all but
//!   [`IDLE_KEEP`] go). Neighbours go in one system call.
//! - A slab that is wholly cold is unmapped, page tables and all, unless it is the last of its size.
//!   (A stack that is cold but mapped costs some 500 bytes of page tables.)
//!
//! So a load that comes and goes within a second makes no system call at all.
#![allow(unsafe_code, reason = "free stacks point to their slab, which the list keeps")]

use std::cell::RefCell;
use std::ptr::NonNull;
use std::time::{Duration, Instant};

use super::pool::Pool;
use super::slab::Slab;

/// More warm stacks of one size than this are not kept.
pub(super) const HIGH_WATER: usize = 131_072;

/// The warm stacks of one size that a thread keeps while it idles.
pub(super) const IDLE_KEEP: usize = 1_024;

/// The bottom of the warm ones that stays for ever: not worth a system call.
pub(super) const FLOOR: usize = 64;

/// How often, in give-backs, the clock is asked whether an epoch is over, and how long one is.
pub(super) const LOOK_EVERY: u32 = 1_024;
pub(super) const EPOCH: Duration = Duration::from_secs(1);

/// A slab and where it belongs.
pub(super) struct Owned {
    pub(super) slab: Slab,
    pub(super) list: NonNull<RefCell<List>>,
    pub(super) pool: NonNull<Pool>,
}

/// A free stack, as the lists hold it.
#[derive(Clone, Copy)]
pub(super) struct Free {
    pub(super) base: NonNull<u8>,
    pub(super) slab: NonNull<Owned>,
}

/// The stacks of one size.
pub(super) struct List {
    pub(super) warm: Vec<Free>,
    pub(super) cold: Vec<Free>,
    pub(super) slabs: Vec<NonNull<Owned>>,
    /// The least length of `warm` since the epoch began: so many were not needed in it.
    pub(super) untouched: usize,
    /// More warm ones than this call for a look; 0 once the pool is an orphan.
    pub(super) high_water: usize,
    /// Give-backs until the clock is looked at.
    pub(super) countdown: u32,
    pub(super) epoch: Option<Instant>,
}

impl List {
    pub(super) const EMPTY: List = List {
        warm: Vec::new(),
        cold: Vec::new(),
        slabs: Vec::new(),
        untouched: 0,
        high_water: HIGH_WATER,
        countdown: LOOK_EVERY,
        epoch: None,
    };

    pub(super) fn slabs(&self) -> impl Iterator<Item = &Slab> {
        // SAFETY: a slab in the list is alive.
        self.slabs.iter().map(|slab| unsafe { &slab.as_ref().slab })
    }

    pub(super) fn capacity(&self) -> usize {
        self.slabs().map(Slab::capacity).sum()
    }

    /// Trims what is over the high-water mark, or was not needed for an epoch.
    pub(super) fn look(&mut self) {
        if self.warm.len() > self.high_water {
            self.trim_to(self.high_water / 2);
        }
        if self.countdown != 0 {
            return;
        }
        self.countdown = LOOK_EVERY;
        let now = Instant::now();
        if self.epoch.is_some_and(|start| now.duration_since(start) < EPOCH) {
            return;
        }
        // The first epoch begins at the first look.
        if self.epoch.replace(now).is_some() && self.untouched > FLOOR {
            self.trim_to(self.warm.len() - self.untouched / 2);
        }
        self.untouched = self.warm.len();
    }

    /// Makes the longest unused of the warm stacks cold, until `keep` are left.
    pub(super) fn trim_to(&mut self, keep: usize) {
        let count = self.warm.len().saturating_sub(keep);
        if count == 0 {
            return;
        }
        let mut batch: Vec<Free> = self.warm.drain(..count).collect();
        self.untouched = self.untouched.min(self.warm.len());
        batch.sort_unstable_by_key(|free| free.base);
        let together = |a: &Free, b: &Free| a.slab == b.slab && a.slab().are_neighbours(a.base, b.base);
        for run in batch.chunk_by(together) {
            let slab = run[0].slab();
            // SAFETY: the run is of free, carved, neighbouring slots of this slab.
            unsafe { slab.release(run[0].base, run.len()) };
            slab.cold.set(slab.cold.get() + run.len());
        }
        self.cold.append(&mut batch);
        self.unmap_cold_slabs();
    }

    /// Unmaps the slabs that are wholly cold, but for the last of them all.
    fn unmap_cold_slabs(&mut self) {
        let mut left = self.slabs.len();
        let mut doomed = Vec::new();
        self.slabs.retain(|slab| {
            // SAFETY: a slab in the list is alive.
            let goes = left > 1 && unsafe { slab.as_ref() }.slab.is_wholly_cold();
            if goes {
                left -= 1;
                doomed.push(*slab);
            }
            !goes
        });
        if doomed.is_empty() {
            return;
        }
        doomed.sort_unstable();
        self.cold.retain(|free| doomed.binary_search(&free.slab).is_err());
        for slab in doomed {
            // SAFETY: all its slots were cold, so none is out or warm, and the cold ones were just
            // struck off: nobody has a pointer to it any more.
            drop(unsafe { Box::from_raw(slab.as_ptr()) });
        }
        // `warm` keeps room for every stack that may come back.
        self.warm.shrink_to(self.capacity());
        self.cold.shrink_to_fit();
    }
}

impl Free {
    #[inline]
    pub(super) fn slab(&self) -> &Slab {
        // SAFETY: a free stack is only in the lists of its pool while its slab is.
        unsafe { &(*self.slab.as_ptr()).slab }
    }
}
