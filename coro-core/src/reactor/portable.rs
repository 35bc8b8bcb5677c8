//! The wait through `polling`, wherever that runs.
#![allow(unsafe_code)] // hands sources to the poller

use std::io;
use std::time::Duration;

use polling::{AsSource, Event, Events, PollMode, Poller};

use super::{Happened, Key};

/// `polling` has a notification of its own.
pub(super) struct Notifier;

impl Notifier {
    pub(super) fn new(_: &Poller) -> io::Result<Self> {
        Ok(Self)
    }

    pub(super) fn notify(&self, poller: &Poller) {
        // It fails only if the poller's own descriptors are broken, and then the wait fails too.
        let _ = poller.notify();
    }
}

/// How a socket is registered: for good where the poller reports changes, and for one report at a time elsewhere.
fn mode(poller: &Poller) -> PollMode {
    match poller.supports_edge() && !cfg!(coro_poller = "oneshot") {
        true => PollMode::Edge,
        false => PollMode::Oneshot,
    }
}

fn interest(mode: PollMode, key: Key, [read, write]: [bool; 2]) -> Event {
    match mode {
        PollMode::Edge => Event::all(key.to_bits()),
        _ => Event::new(key.to_bits(), read, write),
    }
}

/// Registers a socket. It must be armed for each wait where that is needed.
///
/// # Safety
/// The source is deleted from the poller before it is closed.
pub(super) unsafe fn add(poller: &Poller, source: impl AsSource, key: Key) -> io::Result<()> {
    let mode = mode(poller);
    // SAFETY: as the caller says.
    unsafe { poller.add_with_mode(&source.source(), interest(mode, key, [false; 2]), mode) }
}

/// Asks for one more report of each direction in `wanted`, where the poller forgets what it has reported.
pub(super) fn arm(
    poller: &Poller,
    source: impl AsSource,
    key: Key,
    wanted: impl FnOnce() -> [bool; 2],
) -> io::Result<()> {
    match mode(poller) {
        PollMode::Edge => Ok(()),
        mode => poller.modify_with_mode(source, interest(mode, key, wanted()), mode),
    }
}

/// Whether a short read means that all was read: not here, since the end of a stream is not told apart.
pub(super) const SHORT_MEANS_EMPTY: bool = false;

#[derive(Default)]
pub(super) struct Waiter {
    events: Events,
}

impl Waiter {
    pub(super) fn wait(&mut self, shared: &super::Notifier, timeout: Option<Duration>) -> io::Result<()> {
        self.events.clear();
        shared.poller.wait(&mut self.events, timeout).map(drop)
    }

    pub(super) fn happened(&self) -> impl Iterator<Item = (Key, Happened)> + '_ {
        self.events.iter().map(|event| {
            let Event { key, readable, writable, .. } = event;
            (Key::from_bits(key), Happened { readable, writable, keep_reading: true })
        })
    }
}
