//! The reactor: waits for the operating system, through `polling`, and can be woken from other threads.
//!
//! Floor 0. It knows the poller and what it watches, never tasks: what is ready is told to its [`Source`], on the
//! loop's own thread.

#[cfg(unix)]
mod watch;

use std::cell::RefCell;
use std::io;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use polling::{Events, Poller};
use slab::Slab;

#[cfg(unix)]
pub(crate) use watch::{Direction, Registration};

/// What is told that a file descriptor is ready.
pub(crate) trait Source {
    /// Called between waits. It only takes note: no code of a user runs in it, and nothing is deregistered.
    fn ready(self: Rc<Self>);
}

/// Who is told of what, by the key of the registration.
type Sources = Rc<RefCell<Slab<Weak<dyn Source>>>>;

/// What one loop waits on.
pub(crate) struct Reactor {
    shared: Arc<Notifier>,
    events: RefCell<Events>,
    sources: Sources,
}

/// The part of a reactor that other threads and signal handlers may touch.
pub(crate) struct Notifier {
    poller: Poller,
    /// Set while a notification is under way, so that many wake-ups cost one system call.
    notified: AtomicBool,
}

impl Notifier {
    /// Ends the present wait, or the next one. Safe to call from any thread, and from a signal handler.
    pub(crate) fn notify(&self) {
        if !self.notified.swap(true, Ordering::SeqCst) {
            // It fails only if the poller's own descriptors are broken, and then the wait fails too.
            let _ = self.poller.notify();
        }
    }
}

impl Reactor {
    pub(crate) fn new() -> io::Result<Self> {
        let shared = Arc::new(Notifier { poller: Poller::new()?, notified: AtomicBool::new(false) });
        Ok(Self { shared, events: RefCell::new(Events::new()), sources: Sources::default() })
    }

    pub(crate) fn notifier(&self) -> Arc<Notifier> {
        Arc::clone(&self.shared)
    }

    /// Whether anything but a notification could end a wait.
    pub(crate) fn is_watching(&self) -> bool {
        !self.sources.borrow().is_empty()
    }

    /// Waits until something is ready, until it is notified, or until `timeout` has passed; `None` waits without a
    /// limit. Then tells the sources that are ready.
    ///
    /// An interrupted wait (`EINTR`) returns early: the caller looks at its clock and its doors again.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> io::Result<()> {
        let mut events = self.events.borrow_mut();
        events.clear();
        let result = self.shared.poller.wait(&mut events, timeout);
        self.shared.notified.store(false, Ordering::SeqCst);
        match result {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            result => result?,
        };
        // Nothing was deregistered since the poller answered: the keys are those of today.
        for event in events.iter() {
            let source = self.sources.borrow().get(event.key).and_then(Weak::upgrade);
            if let Some(source) = source {
                source.ready();
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notification_from_before_the_wait_ends_it_and_many_count_once() {
        let reactor = Reactor::new().unwrap();
        let notifier = reactor.notifier();
        (0..3).for_each(|_| notifier.notify());
        reactor.wait(None).unwrap();
        reactor.wait(Some(Duration::ZERO)).unwrap();
        assert!(!notifier.notified.load(Ordering::SeqCst));
    }

    #[test]
    fn another_thread_ends_a_wait_without_limit() {
        let reactor = Reactor::new().unwrap();
        let notifier = reactor.notifier();
        let thread = std::thread::spawn(move || notifier.notify());
        reactor.wait(None).unwrap();
        thread.join().unwrap();
    }
}
