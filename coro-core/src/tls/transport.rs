//! [`TlsTransport`]: what the protocol of an encrypted connection writes to; CPython's `_SSLProtocolTransport`.

use std::cell::{Cell, RefCell};
use std::fmt::{self, Debug};
use std::net::SocketAddr;
use std::rc::{Rc, Weak};

use super::info::TlsInfo;
use super::options::Tls;
use super::session::Session;
use crate::error::{Error, Result};
use crate::events::{LoopCore, TimerHandle};
use crate::future::Future;
use crate::report;
use crate::transport::{Flow, Object, Protocol, Transport, TransportSocket, call, soon, tell};

/// So much may wait to be encrypted or sent, if nothing is said.
const HIGH_WATER: usize = 512 * 1024;
/// After the connection is lost, so many writes are ignored without a word.
const SILENT_WRITES: usize = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Not begun, or over.
    Unwrapped,
    Handshake,
    Wrapped,
    /// It will be closed when what came has been read.
    Flushing,
    /// It is closed, and waits for the other side to close too.
    Shutdown,
}

/// What the protocol has been told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Nothing,
    Made,
    Eof,
    Lost,
}

pub(super) struct TlsTransport {
    pub(super) me: Weak<Self>,
    pub(super) core: Rc<LoopCore>,
    pub(super) tls: Tls,
    pub(super) state: Cell<State>,
    pub(super) told: Cell<Told>,
    /// Taken out while it is used: rustls calls code of the user.
    pub(super) session: Cell<Option<Box<Session>>>,
    below: RefCell<Option<Transport>>,
    protocol: RefCell<Option<Rc<dyn Protocol>>>,
    /// Who waits for the end of the handshake.
    pub(super) waiter: RefCell<Option<Future<()>>>,
    /// Came and was not looked at, since reading is paused.
    pub(super) incoming: RefCell<Vec<u8>>,
    /// What came during the handshake, after it or before its end.
    pub(super) early: RefCell<Vec<u8>>,
    /// Written before the handshake has ended.
    pub(super) backlog: RefCell<Vec<u8>>,
    /// Encrypted, and the transport below has no room for it.
    pub(super) outgoing: RefCell<Vec<u8>>,
    /// That of the handshake, or that of the end.
    pub(super) timer: RefCell<Option<TimerHandle>>,
    pub(super) flow: Flow,
    pub(super) reading_paused: Cell<bool>,
    /// Whether the transport below was told to pause reading.
    pub(super) below_paused: Cell<bool>,
    /// Whether the transport below has asked for no more.
    pub(super) below_full: Cell<bool>,
    /// Whether the transport below has read the end.
    pub(super) eof: Cell<bool>,
    pub(super) closed: Cell<bool>,
    /// How often it was written to since the connection was lost, and one for that.
    pub(super) lost: Cell<usize>,
    addresses: Cell<(Option<SocketAddr>, Option<SocketAddr>)>,
    info: RefCell<Option<TlsInfo>>,
}

impl TlsTransport {
    /// `made` tells whether `protocol` knows of the connection already.
    pub(super) fn new(
        core: &Rc<LoopCore>,
        tls: Tls,
        protocol: Rc<dyn Protocol>,
        waiter: Option<Future<()>>,
        made: bool,
    ) -> Rc<Self> {
        Rc::new_cyclic(|me| Self {
            me: me.clone(),
            core: Rc::clone(core),
            tls,
            state: Cell::new(State::Unwrapped),
            told: Cell::new(if made { Told::Made } else { Told::Nothing }),
            session: Cell::default(),
            below: RefCell::default(),
            protocol: RefCell::new(Some(protocol)),
            waiter: RefCell::new(waiter),
            incoming: RefCell::default(),
            early: RefCell::default(),
            backlog: RefCell::default(),
            outgoing: RefCell::default(),
            timer: RefCell::default(),
            flow: Flow::new(HIGH_WATER),
            reading_paused: Cell::new(false),
            below_paused: Cell::new(false),
            below_full: Cell::new(false),
            eof: Cell::new(false),
            closed: Cell::new(false),
            lost: Cell::new(0),
            addresses: Cell::default(),
            info: RefCell::default(),
        })
    }

    pub(super) fn handle(&self) -> Option<Transport> {
        Some(Transport { object: self.me.upgrade()? })
    }

    /// The transport below, until the connection is lost.
    pub(super) fn below(&self) -> Option<Transport> {
        self.below.borrow().clone()
    }

    pub(super) fn set_below(&self, transport: &Transport) {
        self.addresses.set((transport.sockname(), transport.peername()));
        self.below.replace(Some(transport.clone()));
    }

    /// Lets go of all that the connection needed. Whom the protocol was is the result.
    pub(super) fn release(&self) -> Option<Rc<dyn Protocol>> {
        self.backlog.take();
        self.incoming.take();
        self.outgoing.take();
        let (below, session) = (self.below.take(), self.session.take());
        drop((below, session));
        self.protocol.take()
    }

    pub(super) fn info(&self) -> Option<TlsInfo> {
        self.info.borrow().clone()
    }

    pub(super) fn set_info(&self, info: TlsInfo) {
        self.info.replace(Some(info));
    }

    /// Uses the session; none when it is over, or where a user's code called by it calls back.
    pub(super) fn with_session<R>(&self, f: impl FnOnce(&mut Session) -> R) -> Option<R> {
        let mut session = self.session.take()?;
        let result = f(&mut session);
        if self.lost.get() == 0 {
            self.session.set(Some(session));
        }
        Some(result)
    }

    fn write_all(&self, parts: &mut dyn Iterator<Item = &[u8]>) {
        if !matches!(self.state.get(), State::Handshake | State::Wrapped) {
            let lost = self.lost.get();
            if lost >= SILENT_WRITES {
                report::warning("TLS connection is closed");
            }
            if lost > 0 {
                self.lost.set(lost + 1);
            }
            return;
        }
        parts.for_each(|part| self.backlog.borrow_mut().extend_from_slice(part));
        if self.state.get() == State::Wrapped {
            self.send();
        }
    }

    /// Tells the protocol to pause or to resume, if it is time.
    pub(super) fn control_writing(&self) {
        let (size, flow) = (self.buffered(), &self.flow);
        let (failed, pauses) = match (flow.pauses(size), flow.resumes(size)) {
            (true, _) => ("protocol.pause_writing() failed", true),
            (false, true) => ("protocol.resume_writing() failed", false),
            (false, false) => return,
        };
        let Some(protocol) = self.protocol() else { return };
        let method = || if pauses { protocol.pause_writing() } else { protocol.resume_writing() };
        if let Err(error) = call(method) {
            tell(&self.core, failed, error);
        }
    }
}

impl Object for TlsTransport {
    fn write(&self, data: &[u8]) -> Result<()> {
        if !data.is_empty() {
            self.write_all(&mut std::iter::once(data));
        }
        Ok(())
    }

    fn writelines(&self, parts: &mut dyn Iterator<Item = &[u8]>) -> Result<()> {
        self.write_all(parts);
        Ok(())
    }

    fn write_eof(&self) {
        report::warning("write_eof() does nothing: an encrypted connection has one end for both directions");
    }

    fn can_write_eof(&self) -> bool {
        false
    }

    fn close(&self) {
        self.closed.set(true);
        self.start_shutdown();
    }

    fn abort(&self, error: Option<Error>) {
        self.closed.set(true);
        self.state.set(State::Unwrapped);
        self.stop_timer();
        if let Some(below) = self.below() {
            below.object.abort(error);
        }
    }

    fn pause_reading(&self) {
        self.reading_paused.set(true);
    }

    fn resume_reading(&self) {
        if self.reading_paused.replace(false)
            && let Some(this) = self.me.upgrade()
        {
            soon(&self.core, "resume", move || this.received(&[]));
        }
    }

    fn buffered(&self) -> usize {
        self.backlog.borrow().len() + self.outgoing.borrow().len()
    }

    fn core(&self) -> &Rc<LoopCore> {
        &self.core
    }

    fn is_closing(&self) -> bool {
        // The end of the loop closes the one below, and says nothing.
        self.closed.get() || self.below().is_some_and(|below| below.is_closing())
    }

    fn is_reading(&self) -> bool {
        !self.is_closing() && !self.reading_paused.get()
    }

    fn protocol(&self) -> Option<Rc<dyn Protocol>> {
        self.protocol.borrow().clone()
    }

    fn set_protocol(&self, protocol: Rc<dyn Protocol>) {
        let old = match self.lost.get() {
            0 => self.protocol.replace(Some(protocol)),
            _ => Some(protocol),
        };
        drop(old);
    }

    fn limits(&self) -> (usize, usize) {
        self.flow.limits()
    }

    fn set_limits(&self, high: Option<usize>, low: Option<usize>) -> Result<()> {
        self.flow.set_limits(high, low)?;
        self.control_writing();
        Ok(())
    }

    fn sockname(&self) -> Option<SocketAddr> {
        self.addresses.get().0
    }

    fn peername(&self) -> Option<SocketAddr> {
        self.addresses.get().1
    }

    fn socket(&self) -> Option<TransportSocket> {
        self.below()?.socket()
    }
}

impl Debug for TlsTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<TlsTransport")?;
        if self.lost.get() > 0 {
            return f.write_str(" closed>");
        }
        if self.closed.get() {
            f.write_str(" closing")?;
        }
        if let Some(below) = self.below() {
            write!(f, " over={below:?}")?;
        }
        f.write_str(">")
    }
}
