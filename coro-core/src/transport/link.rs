//! [`Link`]: what all transports have: a loop, a channel, a protocol, and whether they are closing.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::net::SocketAddr;
use std::rc::{Rc, Weak};

use super::channel::{Channel, TransportSocket};
use super::flow::Flow;
use super::protocol::{call, tell};
use super::server::Attached;
use super::watch::Watch;
use crate::context::Context;
use crate::error::Error;
use crate::events::{LoopCore, Resource};
use crate::io::{Io, Side};
use crate::report;

/// After the connection is lost, so many writes are ignored without a word.
const SILENT_WRITES: usize = 5;

pub(super) struct Link<P: ?Sized> {
    pub(super) core: Rc<LoopCore>,
    io: RefCell<Option<Rc<Io<Channel>>>>,
    protocol: RefCell<Option<Rc<P>>>,
    server: RefCell<Option<Attached>>,
    pub(super) reading: Watch,
    pub(super) writing: Watch,
    pub(super) flow: Flow,
    pub(super) closing: Cell<bool>,
    pub(super) paused: Cell<bool>,
    /// How often it was written to since the end of the connection was scheduled, and one for that.
    pub(super) lost: Cell<usize>,
    pub(super) sockname: Option<SocketAddr>,
    pub(super) peername: Option<SocketAddr>,
    number: i64,
    resource: usize,
}

impl<P: ?Sized> Link<P> {
    /// `owner` is the transport that this is a part of.
    pub(super) fn new(
        core: &Rc<LoopCore>,
        io: Rc<Io<Channel>>,
        protocol: Rc<P>,
        owner: Weak<dyn Resource>,
    ) -> Self {
        let context = Context::copied();
        let channel = io.get();
        Self {
            core: Rc::clone(core),
            sockname: channel.local_addr(),
            peername: channel.peer_addr(),
            number: channel.number(),
            io: RefCell::new(Some(io)),
            protocol: RefCell::new(Some(protocol)),
            server: RefCell::default(),
            reading: Watch::new(Side::Read, &context),
            writing: Watch::new(Side::Write, &context),
            flow: Flow::new(64 * 1024),
            closing: Cell::new(false),
            paused: Cell::new(false),
            lost: Cell::new(0),
            resource: core.resources.borrow_mut().insert(owner),
        }
    }

    /// The channel, until the connection is lost.
    pub(super) fn io(&self) -> Option<Rc<Io<Channel>>> {
        self.io.borrow().clone()
    }

    pub(super) fn socket(&self) -> Option<TransportSocket> {
        self.io().map(|io| TransportSocket { io })
    }

    pub(super) fn protocol(&self) -> Option<Rc<P>> {
        self.protocol.borrow().clone()
    }

    pub(super) fn set_protocol(&self, protocol: Rc<P>) {
        let old = match self.io.borrow().is_some() {
            true => self.protocol.replace(Some(protocol)),
            false => Some(protocol),
        };
        drop(old);
    }

    /// Its server learns when it is gone.
    pub(super) fn attach(&self, server: Attached) {
        self.server.replace(Some(server));
    }

    pub(super) fn is_reading(&self) -> bool {
        !self.closing.get() && !self.paused.get()
    }

    /// Whether what is written now goes nowhere, as it does if it is `over`. If that happens often, it is logged.
    pub(super) fn ignores_writes(&self, warning: &str, over: bool) -> bool {
        let lost = self.lost.get();
        if lost == 0 && !over && self.io.borrow().is_some() {
            return false;
        }
        if lost >= SILENT_WRITES {
            report::warning(warning);
        }
        self.lost.set(lost + 1);
        true
    }

    /// Tells the protocol to pause if too much waits to be written.
    pub(super) fn maybe_pause(&self, size: usize, pause: impl FnOnce(&P)) {
        if self.flow.pauses(size) {
            self.tell_flow("protocol.pause_writing() failed", pause);
        }
    }

    /// Tells the protocol to resume if little waits to be written.
    pub(super) fn maybe_resume(&self, size: usize, resume: impl FnOnce(&P)) {
        if self.flow.resumes(size) {
            self.tell_flow("protocol.resume_writing() failed", resume);
        }
    }

    fn tell_flow(&self, failed: &str, method: impl FnOnce(&P)) {
        let Some(protocol) = self.protocol() else { return };
        if let Err(error) = call(|| method(&protocol)) {
            tell(&self.core, failed, error);
        }
    }

    /// Tells the exception handler of what ends the connection; what the system says is only for the log.
    pub(super) fn report(&self, who: &dyn fmt::Debug, message: &str, error: &Error, is_quiet: bool) {
        if !is_quiet {
            tell(&self.core, message, error.clone());
        } else if self.core.debug.get() {
            report::debug(format_args!("{who:?}: {message}: {error}"));
        }
    }

    /// Closes the channel and lets go of the protocol and the server.
    pub(super) fn release(&self) {
        self.reading.disarm();
        self.writing.disarm();
        let io = self.io.take();
        let protocol = self.protocol.take();
        let server = self.server.take();
        if let Some(Err(shared)) = io.map(Rc::try_unwrap) {
            // Somebody holds the socket. What closing says is of no use to anybody.
            let _ = shared.close();
        }
        drop(server);
        drop(protocol);
    }

    /// What debug mode tells of a pause or a resumption.
    pub(super) fn log(&self, who: &dyn fmt::Debug, what: &str) {
        if self.core.debug.get() {
            report::debug(format_args!("{who:?} {what}"));
        }
    }

    /// Reports and closes what was never closed.
    pub(super) fn abandon(&self, who: &dyn fmt::Debug) {
        if self.io.borrow().is_some() {
            self.core.report_unclosed(format_args!("transport {who:?}"));
            self.closing.set(true);
            self.release();
        }
    }

    /// `<Transport closing fd=7 read=polling write=<idle, bufsize=0>>`.
    pub(super) fn describe(
        &self,
        f: &mut fmt::Formatter<'_>,
        name: &str,
        size: Option<usize>,
    ) -> fmt::Result {
        let state = |watch: &Watch| if watch.is_armed() { "polling" } else { "idle" };
        write!(f, "<{name}")?;
        if self.io.borrow().is_none() {
            f.write_str(" closed")?;
        } else if self.closing.get() {
            f.write_str(" closing")?;
        }
        write!(f, " fd={}", self.number)?;
        if self.io.borrow().is_some() {
            write!(f, " read={}", state(&self.reading))?;
            if let Some(size) = size {
                write!(f, " write=<{}, bufsize={size}>", state(&self.writing))?;
            }
        }
        f.write_str(">")
    }
}

impl<P: ?Sized> Drop for Link<P> {
    fn drop(&mut self) {
        // None on a loop that was closed.
        let _ = self.core.resources.borrow_mut().try_remove(self.resource);
    }
}

/// The methods of `Object` that only ask the link, for types with a field `link`.
macro_rules! by_link {
    () => {
        fn core(&self) -> &Rc<$crate::events::LoopCore> {
            &self.link.core
        }

        fn is_closing(&self) -> bool {
            self.link.closing.get()
        }

        fn is_reading(&self) -> bool {
            self.link.is_reading()
        }

        fn protocol(&self) -> Option<Rc<dyn Protocol>> {
            self.link.protocol()
        }

        fn set_protocol(&self, protocol: Rc<dyn Protocol>) {
            self.link.set_protocol(protocol);
        }

        fn limits(&self) -> (usize, usize) {
            self.link.flow.limits()
        }

        fn set_limits(&self, high: Option<usize>, low: Option<usize>) -> $crate::Result<()> {
            self.link.flow.set_limits(high, low)?;
            self.link.maybe_pause(self.buffered(), |protocol| protocol.pause_writing());
            Ok(())
        }

        fn sockname(&self) -> Option<std::net::SocketAddr> {
            self.link.sockname
        }

        fn peername(&self) -> Option<std::net::SocketAddr> {
            self.link.peername
        }

        fn socket(&self) -> Option<$crate::transport::TransportSocket> {
            self.link.socket()
        }
    };
}
pub(super) use by_link;
