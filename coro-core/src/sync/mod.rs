//! Synchronisation between the tasks of one loop: first come, first served, as CPython's.
//!
//! Floor: the library. What waits is a queue of futures; a waiter takes its own entry out however its wait ends.

mod barrier;
pub mod broadcast;
mod condition;
mod event;
mod limiter;
mod lock;
mod notify;
mod once_cell;
pub mod oneshot;
mod rwlock;
mod semaphore;
pub mod watch;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use smallvec::SmallVec;

pub use barrier::{Barrier, BarrierWait};
pub use condition::{Condition, ConditionGuard, ConditionLocking, ConditionWait, ConditionWaitFor};
pub use event::{Event, EventWait};
pub use limiter::{Borrower, CapacityAcquire, CapacityLimiter, CapacityStatistics, CapacityToken};
pub use lock::{Lock, LockGuard, Locking};
pub use notify::{Notified, Notify};
pub use once_cell::{OnceCell, OnceCellInit};
pub use rwlock::{RwLock, RwLockReadGuard, RwLockReading, RwLockWriteGuard, RwLockWriting};
pub use semaphore::{Acquire, BoundedSemaphore, Permit, Semaphore};

use crate::coroutine::park;
use crate::error::Result;
use crate::events::{Waitable, Wakeup, with_running};

/// The tasks that wait for a primitive, the first to come first, each with what the primitive must know of it.
struct Waiters<K = ()> {
    queue: RefCell<VecDeque<(Rc<Wakeup>, K)>>,
}

impl<K> Default for Waiters<K> {
    fn default() -> Self {
        Self { queue: RefCell::default() }
    }
}

impl Waiters {
    /// Waits to be woken; a wake-up that comes while the wait fails is for nobody else.
    #[inline(always)] // see `suspend`
    fn wait(&self) -> Result<()> {
        self.wait_as((), drop)
    }
}

impl<K> Waiters<K> {
    /// Waits to be woken, and has `key` in the queue meanwhile. `lost` gets it back if the wake-up came and the wait
    /// fails all the same, also when a panic passes: the wake-up is for the next then.
    #[inline(always)] // see `suspend`
    fn wait_as(&self, key: K, lost: impl FnOnce(K)) -> Result<()> {
        /// Takes the entry out, also when a panic passes.
        struct Leave<'a, K, L: FnOnce(K)> {
            waiters: &'a Waiters<K>,
            wakeup: Rc<Wakeup>,
            lost: Option<L>,
        }
        impl<K, L: FnOnce(K)> Drop for Leave<'_, K, L> {
            fn drop(&mut self) {
                let entry = self.waiters.take_out(&self.wakeup);
                let woken = self.wakeup.is_done() && !self.wakeup.is_cancelled();
                let key = entry.map(|(_, key)| key);
                if let (Some(key), Some(lost), true) = (key, self.lost.take(), woken) {
                    lost(key);
                }
                self.wakeup.give_back();
            }
        }
        let wakeup = with_running(Wakeup::new)?;
        self.queue.borrow_mut().push_back((Rc::clone(&wakeup), key));
        let mut leave = Leave { waiters: self, wakeup, lost: Some(lost) };
        // A driver by hand may go on after it has cancelled what was waited for: that is an error too.
        park(&leave.wakeup)?;
        leave.lost = None;
        Ok(())
    }

    /// Takes the entry of this wait out: nearly always it is the first.
    #[inline]
    fn take_out(&self, wakeup: &Rc<Wakeup>) -> Option<(Rc<Wakeup>, K)> {
        let mut queue = self.queue.borrow_mut();
        if queue.front().is_some_and(|(first, _)| Rc::ptr_eq(first, wakeup)) {
            return queue.pop_front();
        }
        drop(queue);
        self.take_from_the_middle(wakeup)
    }

    #[cold]
    fn take_from_the_middle(&self, wakeup: &Rc<Wakeup>) -> Option<(Rc<Wakeup>, K)> {
        let mut queue = self.queue.borrow_mut();
        let index = queue.iter().position(|(other, _)| Rc::ptr_eq(other, wakeup))?;
        queue.remove(index)
    }

    /// The first that was not woken yet. A cancelled one counts as woken.
    fn first_pending(&self) -> Option<Rc<Wakeup>> {
        self.queue.borrow().iter().map(|(wakeup, _)| wakeup).find(|wakeup| !wakeup.is_done()).cloned()
    }

    /// The first `n` that were not woken yet.
    fn pending(&self, n: usize) -> Vec<Rc<Wakeup>> {
        let queue = self.queue.borrow();
        queue.iter().map(|(wakeup, _)| wakeup).filter(|wakeup| !wakeup.is_done()).take(n).cloned().collect()
    }

    /// The first in the queue, woken or not.
    fn first(&self) -> Option<Rc<Wakeup>> {
        self.queue.borrow().front().map(|(wakeup, _)| Rc::clone(wakeup))
    }

    /// Wakes the first that was not woken yet; `mark` gets its key before. False if there is none.
    fn wake_first(&self, mark: impl FnOnce(&K)) -> bool {
        let queue = self.queue.borrow();
        let Some((wakeup, key)) = queue.iter().find(|(wakeup, _)| !wakeup.is_done()) else { return false };
        mark(key);
        let wakeup = Rc::clone(wakeup);
        drop(queue);
        wakeup.wake();
        true
    }

    /// Wakes those who wait, in order, while `f` says so. `f` is asked about those that were woken before as well.
    fn wake_while(&self, mut f: impl FnMut(&K) -> bool) {
        let queue = self.queue.borrow();
        let live = queue.iter().filter(|(wakeup, _)| !wakeup.is_cancelled());
        let chosen: SmallVec<[Rc<Wakeup>; 8]> = live
            .take_while(|(_, key)| f(key))
            .map(|(wakeup, _)| wakeup)
            .filter(|wakeup| !wakeup.is_done())
            .cloned()
            .collect();
        drop(queue);
        chosen.iter().for_each(|wakeup| {
            wakeup.wake();
        });
    }

    /// Whether somebody waits, or was woken and has not run yet.
    fn any(&self, f: impl Fn(&K) -> bool) -> bool {
        self.queue.borrow().iter().any(|(wakeup, key)| !wakeup.is_cancelled() && f(key))
    }

    fn all_cancelled(&self) -> bool {
        !self.any(|_| true)
    }

    fn len(&self) -> usize {
        self.queue.borrow().len()
    }

    fn wake_all(&self) {
        self.wake_while(|_| true);
    }
}
