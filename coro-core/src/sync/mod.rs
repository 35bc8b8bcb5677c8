//! Synchronisation between the tasks of one loop: first come, first served, as CPython's.
//!
//! What waits is a queue of futures; a waiter takes its own entry out however its wait ends.

mod barrier;
mod condition;
mod event;
mod lock;
mod semaphore;

use std::cell::RefCell;
use std::collections::VecDeque;

pub use barrier::{Barrier, BarrierWait};
pub use condition::{Condition, ConditionGuard, ConditionLocking, ConditionWait, ConditionWaitFor};
pub use event::{Event, EventWait};
pub use lock::{Lock, LockGuard, Locking};
pub use semaphore::{Acquire, BoundedSemaphore, Permit, Semaphore};

use crate::error::Result;
use crate::events::running_core;
use crate::future::Future;

/// The tasks that wait for a primitive, the first to come first.
#[derive(Default)]
struct Waiters {
    queue: RefCell<VecDeque<Future<()>>>,
}

impl Waiters {
    /// Waits to be woken. `woken` tells, after an error, whether the wake-up came all the same.
    fn wait(&self) -> (Result<()>, bool) {
        /// Takes the entry out, also when a panic passes.
        struct Remove<'a>(&'a Waiters, &'a Future<()>);
        impl Drop for Remove<'_> {
            fn drop(&mut self) {
                let mut queue = self.0.queue.borrow_mut();
                if let Some(index) = queue.iter().position(|other| other.same(self.1)) {
                    queue.remove(index);
                }
            }
        }
        let future = match running_core() {
            Ok(core) => Future::on(core),
            Err(error) => return (Err(error), false),
        };
        self.queue.borrow_mut().push_back(future.clone());
        let remove = Remove(self, &future);
        let result = future.wait_done();
        drop(remove);
        (result, future.done() && !future.cancelled())
    }

    /// The first that was not woken yet. A cancelled one counts as woken.
    fn first_pending(&self) -> Option<Future<()>> {
        self.queue.borrow().iter().find(|future| !future.done()).cloned()
    }

    /// The first `n` that were not woken yet.
    fn pending(&self, n: usize) -> Vec<Future<()>> {
        self.queue.borrow().iter().filter(|future| !future.done()).take(n).cloned().collect()
    }

    /// The first in the queue, woken or not.
    fn first(&self) -> Option<Future<()>> {
        self.queue.borrow().front().cloned()
    }

    fn all_cancelled(&self) -> bool {
        self.queue.borrow().iter().all(|future| future.cancelled())
    }

    fn len(&self) -> usize {
        self.queue.borrow().len()
    }

    fn wake_all(&self) {
        let all: Vec<Future<()>> = self.queue.borrow().iter().cloned().collect();
        all.iter().for_each(wake);
    }
}

fn wake(future: &Future<()>) {
    // One that is done was woken before, or has been cancelled.
    let _ = future.settle_value(());
}
