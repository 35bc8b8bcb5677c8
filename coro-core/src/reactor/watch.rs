//! Registrations: file descriptors that the poller watches, and how safe code cannot break it.
//!
//! A poller must be told that a file descriptor is gone before it is closed. So each registration owns a duplicate of
//! the one it was asked for, which nobody else can close, and takes it out of the poller before it closes it.
#![allow(unsafe_code)] // hands file descriptors to the poller

use std::cell::Cell;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::{Rc, Weak};
use std::sync::Arc;

use polling::{Event, PollMode};

use super::{Entries, Key, Notifier, Reactor, Source, Told, remove};

/// What a file descriptor is watched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Direction {
    Read,
    Write,
}

impl Direction {
    fn event(self, key: Key) -> Event {
        match self {
            Self::Read => Event::readable(key.to_bits()),
            Self::Write => Event::writable(key.to_bits()),
        }
    }
}

/// A file descriptor that is watched until this is dropped.
pub(crate) struct Registration {
    fd: OwnedFd,
    key: Key,
    direction: Direction,
    mode: PollMode,
    shared: Arc<Notifier>,
    entries: Entries,
    waiting: Rc<Cell<usize>>,
}

impl Reactor {
    /// Watches a duplicate of `fd`: whenever a wait finds it ready, `source` is told.
    pub(crate) fn watch(
        &self,
        fd: BorrowedFd<'_>,
        direction: Direction,
        source: Weak<dyn Source>,
    ) -> io::Result<Registration> {
        let fd = fd.try_clone_to_owned()?;
        let poller = &self.shared.poller;
        // Where there is no level mode, the poller forgets what it has reported: see `rearm`.
        let mode = if poller.supports_level() { PollMode::Level } else { PollMode::Oneshot };
        let key = self.insert(Told::Watch(source));
        // SAFETY: the registration owns the file descriptor, and its drop takes it out of the poller before it closes
        // it. If the registration is leaked, the file descriptor stays open.
        let added = unsafe { poller.add_with_mode(&fd, direction.event(key), mode) };
        if let Err(error) = added {
            remove(&self.entries, key);
            return Err(error);
        }
        self.waiting.set(self.waiting.get() + 1);
        let (shared, entries) = (Arc::clone(&self.shared), Rc::clone(&self.entries));
        Ok(Registration { fd, key, direction, mode, shared, entries, waiting: Rc::clone(&self.waiting) })
    }
}

impl Registration {
    /// To be called when it was found ready, so that the next wait looks at it again.
    pub(crate) fn rearm(&self) {
        if self.mode == PollMode::Oneshot {
            // It is registered, so that nothing but a lack of memory can go wrong.
            let _ = self.shared.poller.modify_with_mode(&self.fd, self.direction.event(self.key), self.mode);
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.shared.delete(self.fd.as_fd());
        self.waiting.set(self.waiting.get() - 1);
        let entry = remove(&self.entries, self.key);
        drop(entry);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    use super::*;

    #[derive(Default)]
    struct Count(Cell<u32>);

    impl Source for Count {
        fn ready(self: Rc<Self>) {
            self.0.set(self.0.get() + 1);
        }
    }

    fn count() -> (Rc<Count>, Weak<dyn Source>) {
        let count = Rc::new(Count::default());
        let weak: Weak<dyn Source> = Rc::downgrade(&(Rc::clone(&count) as Rc<dyn Source>));
        (count, weak)
    }

    #[test]
    #[cfg_attr(coro_poller = "faulty", ignore = "it counts what each wait tells")]
    fn what_is_ready_is_told_at_every_wait_until_it_is_dropped() {
        let reactor = Reactor::new().unwrap();
        let (mut near, mut far) = UnixStream::pair().unwrap();
        let (count, source) = count();
        let registration = reactor.watch(near.as_fd(), Direction::Read, source).unwrap();
        let told = |times: u32| {
            reactor.wait(Some(Duration::ZERO)).unwrap();
            assert_eq!(count.0.take(), times);
        };
        told(0);
        far.write_all(b"eggs").unwrap();
        (0..3).for_each(|_| told(1));
        near.read_exact(&mut [0; 4]).unwrap();
        told(0);
        far.write_all(b"eggs").unwrap();
        assert!(reactor.is_watching());
        drop(registration);
        assert!(!reactor.is_watching());
        told(0);
    }

    #[test]
    #[cfg_attr(coro_poller = "faulty", ignore = "it counts what each wait tells")]
    fn one_file_descriptor_can_be_watched_twice_and_outlives_the_original() {
        let reactor = Reactor::new().unwrap();
        let (near, far) = UnixStream::pair().unwrap();
        let (reads, reader) = count();
        let (writes, writer) = count();
        let _reader = reactor.watch(near.as_fd(), Direction::Read, reader).unwrap();
        let _writer = reactor.watch(near.as_fd(), Direction::Write, writer).unwrap();
        drop(near);
        reactor.wait(Some(Duration::from_secs(5))).unwrap();
        assert_eq!((reads.0.take(), writes.0.take()), (0, 1));
        drop(far);
        reactor.wait(Some(Duration::from_secs(5))).unwrap();
        assert_eq!((reads.0.take(), writes.0.take()), (1, 1));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_cannot_be_watched_is_refused_and_leaves_nothing_behind() {
        let reactor = Reactor::new().unwrap();
        let file = std::fs::File::open("/proc/self/exe").unwrap();
        let (_count, source) = count();
        assert!(reactor.watch(file.as_fd(), Direction::Read, source).is_err());
        assert!(!reactor.is_watching());
    }
}
