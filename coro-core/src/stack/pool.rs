//! Floor 0: the stacks of a thread.
//!
//! One pool per thread, with a list (`list.rs`) for each size; no lock, and in the steady state no
//! system call and no allocation.
//!
//! ```text
//!   POOL --> Pool { lists: [16 KiB] [32 KiB] ... [1 GiB] }
//!             ^               |
//!             |               +-- free stacks, slabs
//!             |               v
//!             +---------- slab <---- PooledStack, held by a coroutine
//! ```
//!
//! - A stack points to its slab, that to its pool: it finds home even when the thread-local is gone.
//! - The first slab of a size has room for 16 stacks, each further one for as many as there are
//!   already, up to 1,024 or 1 GiB: a million stacks are a thousand mappings, which the kernel merges.
//! - When the thread ends, slabs without a stack out are unmapped at once, the others when the last
//!   of theirs comes back. A leaked stack never does: its slab, and the pool, stay for ever.
#![allow(unsafe_code, reason = "stacks point to their slab and pool, which outlive them by counting")]

use std::cell::{Cell, RefCell};
use std::mem;
use std::ptr::{self, NonNull};

use corosensei::stack::{Stack, StackPointer};

use super::guard::Guards;
use super::list::{Free, IDLE_KEEP, List, Owned};
use super::overflow::SignalStack;
use super::slab::Slab;
use super::{CLASSES, PoolStats, StackError, class_size};

/// The room of slabs, in stacks and in bytes.
const FIRST_SLAB: usize = 16;
const LARGEST_SLAB: usize = 1_024;
const FIRST_SLAB_BYTES: usize = 64 << 20;
const LARGEST_SLAB_BYTES: usize = if usize::BITS >= 64 { 1 << 30 } else { 16 << 20 };

/// A guarded stack for one coroutine. Dropped, it goes back to the pool that it came from.
///
/// It belongs to the thread that took it (`!Send`), and may outlive that thread's pool.
pub(crate) struct PooledStack {
    base: NonNull<u8>,
    slab: NonNull<Owned>,
}

/// All stacks of one thread.
pub(super) struct Pool {
    /// Itself, as the pointer that may free it.
    this: Cell<NonNull<Pool>>,
    lists: [RefCell<List>; CLASSES],
    guards: Guards,
    orphan: Cell<bool>,
}

thread_local! {
    /// This thread's pool; null before the first stack, and after the end of [`OWNER`].
    static POOL: Cell<*const Pool> = const { Cell::new(ptr::null()) };
    static OWNER: Owner = Owner { _signal_stack: SignalStack::install() };
}

/// Its drop is the end of the thread, as far as the pool is concerned.
struct Owner {
    _signal_stack: Option<SignalStack>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        if let Some(pool) = NonNull::new(POOL.replace(ptr::null()).cast_mut()) {
            // SAFETY: `POOL` held a living pool of this thread, and no longer does.
            unsafe { Pool::orphan(pool) };
        }
    }
}

/// Takes a stack of this class from the calling thread's pool.
#[inline]
pub(super) fn take(class: usize) -> Result<PooledStack, StackError> {
    // SAFETY: what `POOL` holds is alive, and this thread's alone.
    match unsafe { POOL.get().as_ref() } {
        Some(pool) => pool.take(class),
        None => take_first(class),
    }
}

/// Makes the thread's pool; or, at the end of the thread, one for this stack alone.
#[cold]
fn take_first(class: usize) -> Result<PooledStack, StackError> {
    let pool = Pool::create(Guards::Best);
    // SAFETY: just made, and not freed before `orphan` below.
    let taken = unsafe { pool.as_ref() };
    if OWNER.try_with(|_| POOL.set(pool.as_ptr())).is_ok() {
        return taken.take(class);
    }
    let stack = taken.take(class);
    // SAFETY: nobody else knows this pool; from here on it lives as long as the stack.
    unsafe { Pool::orphan(pool) };
    stack
}

/// The figures of the calling thread.
pub(super) fn stats() -> PoolStats {
    // SAFETY: what `POOL` holds is alive, and this thread's alone.
    unsafe { POOL.get().as_ref() }.map(Pool::stats).unwrap_or_default()
}

/// Gives back what an idle thread need not hold.
pub(super) fn idle() {
    // SAFETY: what `POOL` holds is alive, and this thread's alone.
    if let Some(pool) = unsafe { POOL.get().as_ref() } {
        // Before each long wait: most often there is nothing to do.
        for list in pool.lists.iter().filter(|list| list.borrow().warm.len() > IDLE_KEEP) {
            list.borrow_mut().trim_to(IDLE_KEEP);
        }
    }
}

impl Pool {
    /// A new pool, which lives until [`Pool::orphan`] and the return of its last stack.
    pub(super) fn create(guards: Guards) -> NonNull<Pool> {
        let lists = [const { RefCell::new(List::EMPTY) }; CLASSES];
        let this = Cell::new(NonNull::dangling());
        let pool = NonNull::from(Box::leak(Box::new(Pool { this, lists, guards, orphan: Cell::new(false) })));
        // SAFETY: just made, and nobody else knows it.
        unsafe { pool.as_ref() }.this.set(pool);
        pool
    }

    #[inline]
    pub(super) fn take(&self, class: usize) -> Result<PooledStack, StackError> {
        let mut list = self.lists[class].borrow_mut();
        let Some(free) = list.warm.pop() else { return self.take_slowly(class, &mut list) };
        list.untouched = list.untouched.min(list.warm.len());
        Ok(PooledStack::new(free))
    }

    #[cold]
    fn take_slowly(&self, class: usize, list: &mut List) -> Result<PooledStack, StackError> {
        list.untouched = 0;
        if let Some(free) = list.cold.pop() {
            let slab = free.slab();
            slab.cold.set(slab.cold.get() - 1);
            return Ok(PooledStack::new(free));
        }
        if let Some(slab) = list.slabs.last()
            && let Some(free) = carve(*slab)?
        {
            return Ok(PooledStack::new(free));
        }
        let slab = self.map_slab(class, list)?;
        list.slabs.push(slab);
        // A new slab has room for one at least.
        let free = carve(slab)?
            .ok_or_else(|| StackError::refused(class_size(class), std::io::ErrorKind::OutOfMemory.into()))?;
        Ok(PooledStack::new(free))
    }

    fn map_slab(&self, class: usize, list: &mut List) -> Result<NonNull<Owned>, StackError> {
        let size = class_size(class);
        let total = list.capacity();
        let bytes = if total == 0 { FIRST_SLAB_BYTES } else { LARGEST_SLAB_BYTES };
        let room = total.clamp(FIRST_SLAB, LARGEST_SLAB).min(bytes / size);
        let slab = Slab::map(size, room, self.guards)?;
        // To give a stack back must never need memory.
        list.warm.reserve(total + slab.capacity() - list.warm.len());
        let list = NonNull::from(&self.lists[class]);
        Ok(NonNull::from(Box::leak(Box::new(Owned { slab, list, pool: self.this.get() }))))
    }

    /// What a give-back leaves for later: the end of an epoch, or of an orphan's slab.
    ///
    /// # Safety
    ///
    /// `pool` is alive, `slab` is one of its slabs, no reference into either is held.
    #[cold]
    unsafe fn after_give_back(pool: NonNull<Pool>, slab: NonNull<Owned>) {
        // SAFETY: alive, by the contract; the references end before anything is freed.
        let (orphan, list, out) = unsafe {
            let owned = slab.as_ref();
            (pool.as_ref().orphan.get(), owned.list.as_ref(), owned.slab.out.get())
        };
        if !orphan {
            list.borrow_mut().look();
            return;
        }
        if out == 0 {
            list.borrow_mut().slabs.retain(|other| *other != slab);
            // SAFETY: an orphan's stacks are never taken again, and none of this slab is out.
            drop(unsafe { Box::from_raw(slab.as_ptr()) });
            // SAFETY: alive; the shared reference is the last thing that needs it.
            unsafe { Pool::free_if_empty(pool) };
        }
    }

    /// Ends a pool: nothing is taken from it any more, and it frees itself when all is back.
    ///
    /// # Safety
    ///
    /// `pool` is alive and of this thread, nobody will take from it again, and no reference into it
    /// is held.
    pub(super) unsafe fn orphan(pool: NonNull<Pool>) {
        // SAFETY: alive, by the contract.
        let this = unsafe { pool.as_ref() };
        this.orphan.set(true);
        for list in &this.lists {
            let mut list = list.borrow_mut();
            list.high_water = 0;
            list.cold = Vec::new();
            list.slabs.retain(|slab| {
                // SAFETY: a slab in the list is alive.
                let out = unsafe { slab.as_ref() }.slab.out.get();
                if out == 0 {
                    // SAFETY: none of its stacks is out, and nobody takes from an orphan.
                    drop(unsafe { Box::from_raw(slab.as_ptr()) });
                }
                out > 0
            });
        }
        // SAFETY: alive, and the borrows of it have ended.
        unsafe { Pool::free_if_empty(pool) };
    }

    /// # Safety
    ///
    /// `pool` is an orphan, alive, and no reference into it is used afterwards.
    unsafe fn free_if_empty(pool: NonNull<Pool>) {
        // SAFETY: alive, by the contract.
        let empty = unsafe { pool.as_ref() }.lists.iter().all(|list| list.borrow().slabs.is_empty());
        if empty {
            // SAFETY: it was leaked from a box, and without slabs there is no stack that points here.
            drop(unsafe { Box::from_raw(pool.as_ptr()) });
        }
    }

    fn stats(&self) -> PoolStats {
        let mut stats = PoolStats::default();
        for list in &self.lists {
            let list = list.borrow();
            stats.slabs += list.slabs.len();
            stats.pooled += list.warm.len() + list.cold.len();
            stats.released += list.cold.len();
            for slab in list.slabs() {
                stats.in_use += slab.out.get();
                stats.mapped += slab.len();
            }
        }
        stats
    }
}

/// The next slot of this slab, if it has one.
fn carve(slab: NonNull<Owned>) -> Result<Option<Free>, StackError> {
    // SAFETY: the caller has it from the list, or has just made it.
    let base = unsafe { slab.as_ref() }.slab.carve()?;
    Ok(base.map(|base| Free { base, slab }))
}

impl PooledStack {
    #[inline]
    fn new(free: Free) -> Self {
        let out = &free.slab().out;
        out.set(out.get() + 1);
        PooledStack { base: free.base, slab: free.slab }
    }

    #[inline]
    fn slab(&self) -> &Slab {
        // SAFETY: a slab lives as long as one of its stacks is out, as this one is.
        unsafe { &(*self.slab.as_ptr()).slab }
    }
}

impl Drop for PooledStack {
    #[inline]
    fn drop(&mut self) {
        let (slab, pool) = (self.slab, {
            let out = &self.slab().out;
            out.set(out.get() - 1);
            // SAFETY: slab and pool are alive: this stack was out until now, and what frees them is
            // only called below.
            unsafe { (*self.slab.as_ptr()).pool }
        });
        // SAFETY: as above; the list is a part of the pool.
        let mut list = unsafe { (*slab.as_ptr()).list.as_ref() }.borrow_mut();
        list.warm.push(Free { base: self.base, slab });
        list.countdown = list.countdown.saturating_sub(1);
        if list.warm.len() > list.high_water || list.countdown == 0 {
            mem::drop(list);
            // SAFETY: alive as above, and the borrow has ended.
            unsafe { Pool::after_give_back(pool, slab) };
        }
    }
}

// SAFETY: `base` is 16-aligned (a page boundary less a multiple of 64), `limit` a page boundary. The
// memory between them is mapped as long as this value lives, at its low end is a guard of 16 KiB or
// more, and at least MIN_STACK_SIZE bytes above that are usable by nobody else.
unsafe impl Stack for PooledStack {
    #[inline]
    fn base(&self) -> StackPointer {
        self.base.addr()
    }

    #[inline]
    fn limit(&self) -> StackPointer {
        let limit = self.slab().limit(self.base);
        // SAFETY: a slot lies inside a mapping, which never begins at 0.
        unsafe { StackPointer::new_unchecked(limit) }
    }
}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
