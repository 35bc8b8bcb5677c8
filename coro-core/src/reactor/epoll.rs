//! The wait on Linux: one system call on the poller's own epoll.
//!
//! `polling` makes five system calls for each wait, since it keeps its time limit in a timer of its own and arms its
//! notification anew each time. Here the limit is an argument of `epoll_pwait2`, which knows nanoseconds (kernels
//! before 5.11, and sandboxes, refuse it: then it is `epoll_wait`, which rounds up to milliseconds), and the
//! notification is an eventfd that reports each write, and is never read.
#![allow(unsafe_code)] // one system call that has no safe wrapper which can be asked whether it exists

use std::cell::Cell;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

use polling::Poller;
use rustix::event::{EventfdFlags, epoll, eventfd};

use super::{Happened, Key};

/// How many events one system call can bring. More wait for the next.
const CAPACITY: usize = 1024;

/// What the notification is registered with. `polling` does so too, for its own, which is not used.
const NOTIFY: u64 = u64::MAX;

pub(super) struct Notifier {
    eventfd: OwnedFd,
}

impl Notifier {
    pub(super) fn new(poller: &Poller) -> io::Result<Self> {
        let eventfd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
        epoll::add(poller.as_fd(), &eventfd, epoll::EventData::new_u64(NOTIFY), flags)?;
        Ok(Self { eventfd })
    }

    pub(super) fn notify(&self, _poller: &Poller) {
        // It counts up to 2^64 - 2, and fails only then.
        let _ = rustix::io::write(&self.eventfd, &1_u64.to_ne_bytes());
    }
}

/// Registers a socket: both directions, each change reported once.
///
/// # Safety
/// None is needed here; other systems must be told before the source is closed.
pub(super) unsafe fn add(poller: &Poller, source: impl AsFd, key: Key) -> io::Result<()> {
    use epoll::EventFlags as On;
    let flags = On::IN | On::OUT | On::RDHUP | On::PRI | On::ET;
    Ok(epoll::add(poller.as_fd(), source, epoll::EventData::new_u64(key.to_bits() as u64), flags)?)
}

/// A socket is registered for good: there is nothing to arm.
pub(super) fn arm(_: &Poller, _: impl AsFd, _: Key, _wanted: impl FnOnce() -> [bool; 2]) -> io::Result<()> {
    Ok(())
}

/// Whether a short read means that all was read: what else could be there is reported.
pub(super) const SHORT_MEANS_EMPTY: bool = true;

thread_local! {
    /// Whether `epoll_pwait2` was refused.
    static OLD: Cell<bool> = const { Cell::new(false) };
}

#[derive(Default)]
pub(super) struct Waiter {
    events: Vec<epoll::Event>,
}

impl Waiter {
    pub(super) fn wait(&mut self, shared: &super::Notifier, timeout: Option<Duration>) -> io::Result<()> {
        self.events.clear();
        self.events.reserve(CAPACITY);
        let limit = timeout.map(|timeout| libc::timespec {
            tv_sec: timeout.as_secs().try_into().unwrap_or(libc::time_t::MAX),
            tv_nsec: timeout.subsec_nanos().into(),
        });
        // A plain wait needs no time structure to be read, and is a little cheaper.
        if timeout.is_some_and(|timeout| !timeout.is_zero()) && !OLD.get() {
            match self.wait_until(shared, limit.as_ref()) {
                Err(error) if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => {
                    OLD.set(true)
                }
                result => return result,
            }
        }
        let limit = timeout.map(|timeout| {
            let milliseconds = timeout.as_nanos().div_ceil(1_000_000);
            let milliseconds = i32::try_from(milliseconds).unwrap_or(i32::MAX);
            rustix::event::Timespec {
                tv_sec: (milliseconds / 1000).into(),
                tv_nsec: i64::from(milliseconds % 1000 * 1_000_000) as _,
            }
        });
        let buffer = rustix::buffer::spare_capacity(&mut self.events);
        epoll::wait(shared.poller.as_fd(), buffer, limit.as_ref())?;
        Ok(())
    }

    fn wait_until(&mut self, shared: &super::Notifier, limit: Option<&libc::timespec>) -> io::Result<()> {
        let room = self.events.spare_capacity_mut();
        let limit = limit.map_or(std::ptr::null(), std::ptr::from_ref);
        // SAFETY: the kernel writes at most `room.len()` events, in the layout that rustix's type shares with it, and
        // reads `limit` if it is not null; there is no signal mask.
        let count = unsafe {
            libc::syscall(
                libc::SYS_epoll_pwait2,
                shared.poller.as_raw_fd(),
                room.as_mut_ptr(),
                room.len() as libc::c_int,
                limit,
                std::ptr::null::<libc::sigset_t>(),
                0_usize,
            )
        };
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        // SAFETY: the kernel has written that many events, and an event may hold any bits.
        unsafe { self.events.set_len(count) };
        Ok(())
    }

    pub(super) fn happened(&self) -> impl Iterator<Item = (Key, Happened)> + '_ {
        use epoll::EventFlags as On;
        let own = self.events.iter().filter(|event| event.data.u64() != NOTIFY);
        own.map(|event| {
            let flags = event.flags;
            let happened = Happened {
                readable: flags.intersects(On::IN | On::RDHUP | On::HUP | On::ERR | On::PRI),
                writable: flags.intersects(On::OUT | On::HUP | On::ERR),
                keep_reading: flags.intersects(On::RDHUP | On::HUP | On::ERR | On::PRI),
            };
            (Key::from_bits(event.data.u64() as usize), happened)
        })
    }
}
