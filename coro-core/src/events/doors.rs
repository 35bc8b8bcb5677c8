//! [`Doors`]: the one part of a loop that other threads touch.
//!
//! Floor 1. Wakers, `LoopHandle`, jobs in threads and the signal handler come in here; the loop collects what they
//! brought once per round.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::ThreadId;

use parking_lot::Mutex;

use super::arrivals::Arrivals;
use crate::reactor::Notifier;

/// What other threads may use to reach a loop.
pub(crate) struct Doors {
    pub(crate) notifier: Arc<Notifier>,
    queue: Mutex<Vec<Box<dyn FnOnce() + Send>>>,
    has_mail: AtomicBool,
    closed: AtomicBool,
    /// Signals that arrived for this loop's handlers.
    pub(crate) arrivals: Arrivals,
    /// SIGINTs that arrived for this loop's main task and were not acted on yet.
    pub(crate) interrupts: AtomicUsize,
    pub(crate) thread: ThreadId,
    /// Threads that block for a result of this loop: jobs among them do not hold a virtual clock.
    pub(crate) blocked: Arc<AtomicUsize>,
}

impl Doors {
    /// The doors of a loop on this thread.
    pub(super) fn new(notifier: Arc<Notifier>) -> Self {
        Self {
            notifier,
            queue: Mutex::new(Vec::new()),
            has_mail: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            arrivals: Arrivals::new(),
            interrupts: AtomicUsize::new(0),
            thread: std::thread::current().id(),
            blocked: Arc::default(),
        }
    }

    /// Hands `job` to the loop. Gives it back if the loop is closed.
    pub(crate) fn send(&self, job: Box<dyn FnOnce() + Send>) -> Result<(), Box<dyn FnOnce() + Send>> {
        let mut queue = self.queue.lock();
        if self.closed.load(Ordering::SeqCst) {
            return Err(job);
        }
        queue.push(job);
        drop(queue);
        self.has_mail.store(true, Ordering::SeqCst);
        self.notifier.notify();
        Ok(())
    }

    /// What came in since the last call.
    pub(crate) fn collect(&self) -> Vec<Box<dyn FnOnce() + Send>> {
        // The plain look comes first: it costs nothing on the hot path, and what is missed now is seen next time.
        match self.has_mail.load(Ordering::Acquire) && self.has_mail.swap(false, Ordering::SeqCst) {
            true => std::mem::take(&mut *self.queue.lock()),
            false => Vec::new(),
        }
    }

    pub(crate) fn close(&self) -> Vec<Box<dyn FnOnce() + Send>> {
        let mut queue = self.queue.lock();
        self.closed.store(true, Ordering::SeqCst);
        std::mem::take(&mut *queue)
    }
}
