//! The life of an encrypted connection; CPython's `SSLProtocol`.
//!
//! ```text
//!   Unwrapped ─► Handshake ─► Wrapped ─► Flushing ─► Shutdown ─► Unwrapped
//! ```
//!
//! 1. Nothing of the connection is borrowed while the protocol, or what the user gave to rustls, runs: both may do
//!    anything with the transport.
//! 2. What came before an error or an end is told before it.
//! 3. Both sides close together: who is told that the other one closes sends what is left, closes, and is done.
//! 4. Whoever waits for the handshake is always told how it went, whatever ends the connection.

use std::cell::Cell;
use std::io;
use std::rc::{Rc, Weak};
use std::time::Duration;

use super::info::TlsInfo;
use super::session::{Fed, Session, refused};
use super::transport::{State, TlsTransport, Told};
use crate::error::{Error, Result};
use crate::report;
use crate::transport::{Object, Protocol, Transport, call, call_back, soon, tell};

/// The transport below is told to pause when more than the first waits to be read, to resume when not more than the second.
const INCOMING: (usize, usize) = (256 * 1024, 64 * 1024);
/// Above this much room an empty buffer gives its memory back.
const KEPT: usize = 256 * 1024;

thread_local! {
    static PLAIN: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Lends out an empty buffer for what was decrypted.
fn with_plain<R>(f: impl FnOnce(&mut Vec<u8>) -> R) -> R {
    let mut plain = PLAIN.try_with(Cell::take).unwrap_or_default();
    let result = f(&mut plain);
    plain.clear();
    plain.shrink_to(2 * KEPT);
    // At the end of the thread there is no place for it any more.
    let _ = PLAIN.try_with(|place| place.set(plain));
    result
}

/// The protocol of the transport below.
pub(super) struct TlsProtocol(pub(super) Rc<TlsTransport>);

impl Protocol for TlsProtocol {
    fn connection_made(&self, transport: &Transport) {
        self.0.begin(transport);
    }

    fn data_received(&self, data: &[u8]) {
        self.0.received(data);
    }

    fn eof_received(&self) -> bool {
        self.0.ended()
    }

    fn connection_lost(&self, error: Option<Error>) {
        self.0.lose(error);
    }

    fn pause_writing(&self) {
        self.0.below_full.set(true);
    }

    fn resume_writing(&self) {
        self.0.below_full.set(false);
        self.0.send();
    }
}

impl TlsTransport {
    /// Begins the handshake over `below`.
    pub(super) fn begin(&self, below: &Transport) {
        if self.lost.get() > 0 {
            return;
        }
        self.set_below(below);
        match self.tls.connection() {
            Ok(connection) => self.session.set(Some(Box::new(Session::new(connection)))),
            Err(error) => return self.handshake_failed(error),
        }
        self.state.set(State::Handshake);
        self.start_timer(self.tls.handshake, Self::handshake_timed_out);
        self.received(&[]);
    }

    /// Something came, or what came before is to be looked at.
    pub(super) fn received(&self, data: &[u8]) {
        match self.state.get() {
            State::Handshake => self.shake_hands(data),
            State::Wrapped => self.read(data),
            State::Flushing => self.flush(data),
            State::Shutdown => self.shut_down(data),
            State::Unwrapped => {}
        }
    }

    /// The other side has closed the connection below. Whether that is to stay open nevertheless.
    fn ended(&self) -> bool {
        self.eof.set(true);
        match self.state.get() {
            State::Handshake => {
                let message = "the connection was closed during the TLS handshake";
                let error = io::Error::new(io::ErrorKind::ConnectionReset, message);
                self.handshake_failed(error.into());
            }
            State::Wrapped => {
                self.state.set(State::Flushing);
                if self.reading_paused.get() {
                    return true;
                }
                self.flush(&[]);
            }
            State::Flushing => self.flush(&[]),
            State::Shutdown => self.shut_down(&[]),
            State::Unwrapped => {}
        }
        false
    }

    /// The connection below is over.
    fn lose(&self, error: Option<Error>) {
        self.lost.set(self.lost.get() + 1);
        self.closed.set(true);
        self.state.set(State::Unwrapped);
        self.stop_timer();
        let protocol = self.release();
        let cause = error.clone().unwrap_or_else(|| {
            let message = "the connection was closed before the end of the TLS handshake";
            io::Error::new(io::ErrorKind::ConnectionAborted, message).into()
        });
        self.wake_waiter(Some(cause));
        if let (Some(protocol), Told::Made | Told::Eof) = (protocol, self.told.replace(Told::Lost)) {
            let name = "Protocol::connection_lost";
            let core = Rc::clone(&self.core);
            soon(&self.core, name, move || call_back(&core, name, || protocol.connection_lost(error)));
        }
    }

    fn wake_waiter(&self, error: Option<Error>) {
        let Some(waiter) = self.waiter.take() else { return };
        // Who waited may have been cancelled.
        let _ = match error {
            None => waiter.settle_value(()),
            Some(error) => waiter.settle_failed(error),
        };
        // Nor must it be waited for.
        let _ = waiter.exception();
    }

    // The handshake.

    fn shake_hands(&self, data: &[u8]) {
        let mut early = self.early.take();
        let outcome = self.feed(data, &mut early);
        self.early.replace(early);
        if self.state.get() != State::Handshake {
            return; // closed by the user's code that rustls has called
        }
        self.send();
        match outcome {
            Some(Err(error)) => self.handshake_failed(refused(error)),
            Some(Ok(Fed::Shaken)) => self.handshake_done(),
            Some(Ok(Fed::Closed)) => {
                let message = "the TLS connection was closed during the handshake";
                self.handshake_failed(io::Error::new(io::ErrorKind::ConnectionReset, message).into());
            }
            Some(Ok(Fed::All)) | None => {}
        }
    }

    fn handshake_done(&self) {
        self.stop_timer();
        self.state.set(State::Wrapped);
        if let Some(info) = self.with_session(|session| TlsInfo::of(session.connection())) {
            self.set_info(info);
        }
        if self.told.get() == Told::Nothing
            && let (Some(protocol), Some(transport)) = (self.protocol(), self.handle())
        {
            self.told.set(Told::Made);
            call_back(&self.core, "Protocol::connection_made", || protocol.connection_made(&transport));
        }
        self.wake_waiter(None);
        self.received(&[]);
    }

    fn handshake_failed(&self, error: Error) {
        self.stop_timer();
        self.fatal_error(error.clone(), "TLS handshake failed");
        self.wake_waiter(Some(error));
    }

    fn handshake_timed_out(&self) {
        if self.state.get() == State::Handshake {
            let message = format!(
                "TLS handshake is taking longer than {} seconds: aborting the connection",
                self.tls.handshake.as_secs_f64()
            );
            self.handshake_failed(io::Error::new(io::ErrorKind::ConnectionAborted, message).into());
        }
    }

    // Reading.

    /// Takes in what came. `None` where that must wait.
    fn feed(&self, data: &[u8], plain: &mut Vec<u8>) -> Option<Result<Fed, rustls::Error>> {
        let mut kept = self.incoming.take();
        let outcome = match kept.is_empty() {
            true => {
                let mut rest = data;
                let outcome = self.with_session(|session| session.feed(&mut rest, plain));
                kept.extend_from_slice(rest);
                outcome
            }
            false => {
                kept.extend_from_slice(data);
                let mut rest = &kept[..];
                let outcome = self.with_session(|session| session.feed(&mut rest, plain));
                let taken = kept.len() - rest.len();
                kept.drain(..taken);
                outcome
            }
        };
        if kept.is_empty() {
            kept.shrink_to(0);
        }
        let came_meanwhile = self.incoming.replace(kept);
        self.incoming.borrow_mut().extend(came_meanwhile);
        outcome
    }

    /// Tells the protocol what came.
    fn read(&self, data: &[u8]) {
        if self.reading_paused.get() {
            self.incoming.borrow_mut().extend_from_slice(data);
            return self.control_reading();
        }
        let outcome = with_plain(|plain| {
            plain.append(&mut self.early.borrow_mut());
            let outcome = self.feed(data, plain);
            if !plain.is_empty()
                && let Some(protocol) = self.protocol()
                && let Err(error) = call(|| protocol.data_received(plain))
            {
                self.fatal_error(error, "Fatal error: protocol.data_received() call failed.");
            }
            outcome
        });
        match outcome {
            Some(Err(error)) => {
                self.send(); // tells the other side
                self.fatal_error(refused(error), "Fatal error on TLS protocol");
            }
            Some(Ok(Fed::Closed)) => {
                self.tell_eof();
                self.start_shutdown();
            }
            Some(Ok(Fed::All | Fed::Shaken)) | None => self.send(),
        }
        self.control_reading();
    }

    fn tell_eof(&self) {
        let Some(protocol) = self.protocol().filter(|_| self.told.get() == Told::Made) else { return };
        self.told.set(Told::Eof);
        match call(|| protocol.eof_received()) {
            Ok(true) => report::warning("returning true from eof_received() has no effect when using TLS"),
            Ok(false) => {}
            Err(error) => self.fatal_error(error, "Error calling eof_received()"),
        }
    }

    /// Pauses or resumes the transport below.
    fn control_reading(&self) {
        let Some(below) = self.below() else { return };
        let size = self.incoming.borrow().len();
        if size >= INCOMING.0 && !self.below_paused.replace(true) {
            below.pause_reading();
        } else if size <= INCOMING.1 && self.below_paused.replace(false) {
            below.resume_reading();
        }
    }

    // Writing.

    /// Encrypts what was written, and sends what the transport below has room for.
    pub(super) fn send(&self) {
        if self.state.get() != State::Handshake {
            self.encrypt();
        }
        if !self.below_full.get() {
            self.send_all();
        }
        self.control_writing();
    }

    fn encrypt(&self) {
        let mut outgoing = self.outgoing.take();
        let plain = self.backlog.take();
        let written = self.with_session(|session| {
            let written = session.write(&plain);
            session.take_outgoing(&mut outgoing);
            written
        });
        let meanwhile = match written.is_some() {
            true => self.outgoing.replace(outgoing),
            false => {
                // It is sent when the session is back.
                self.backlog.borrow_mut().splice(..0, plain);
                self.outgoing.replace(outgoing)
            }
        };
        self.outgoing.borrow_mut().extend(meanwhile);
        if let Some(Err(error)) = written {
            self.fatal_error(error.into(), "Fatal error on TLS protocol");
        }
    }

    /// Gives all that is encrypted to the transport below.
    fn send_all(&self) {
        let mut outgoing = self.outgoing.take();
        self.with_session(|session| session.take_outgoing(&mut outgoing));
        if outgoing.is_empty() {
            return;
        }
        let Some(below) = self.below() else { return };
        if let Err(error) = below.write(&outgoing) {
            return self.fatal_error(error, "Fatal error on TLS protocol");
        }
        if outgoing.capacity() <= KEPT && self.outgoing.borrow().is_empty() {
            outgoing.clear();
            self.outgoing.replace(outgoing);
        }
    }

    // The end.

    /// Closes, once what came has been read.
    pub(super) fn start_shutdown(&self) {
        match self.state.get() {
            State::Handshake => self.abort(None),
            State::Wrapped => {
                self.closed.set(true);
                self.state.set(State::Flushing);
                self.start_timer(self.tls.shutdown, Self::shutdown_timed_out);
                self.flush(&[]);
            }
            // It has read the end, and waits for somebody to resume reading: nobody will.
            State::Flushing => self.go_down(),
            State::Shutdown | State::Unwrapped => {}
        }
    }

    fn flush(&self, data: &[u8]) {
        self.read(data);
        if self.state.get() == State::Flushing {
            self.go_down();
        }
    }

    fn go_down(&self) {
        self.state.set(State::Shutdown);
        self.closed.set(true);
        self.encrypt();
        if !self.eof.get() {
            self.with_session(Session::close); // else there may be nobody to hear it
        }
        if self.below_paused.replace(false)
            && let Some(below) = self.below()
        {
            below.resume_reading(); // for the end
        }
        self.shut_down(&[]);
    }

    /// Waits for the other side to close. What it sends until then goes nowhere.
    fn shut_down(&self, data: &[u8]) {
        if !self.eof.get() {
            let outcome = with_plain(|plain| self.feed(data, plain));
            self.send();
            match outcome {
                Some(Err(error)) => {
                    return self.fatal_error(refused(error), "Fatal error on TLS protocol");
                }
                Some(Ok(Fed::Closed)) => {}
                Some(Ok(Fed::All | Fed::Shaken)) | None => return,
            }
        }
        self.tell_eof();
        self.stop_timer();
        // It sends what it has before it closes.
        self.send_all();
        if let Some(below) = self.below() {
            soon(&self.core, "Transport::close", move || below.close());
        }
    }

    fn shutdown_timed_out(&self) {
        if matches!(self.state.get(), State::Flushing | State::Shutdown) {
            self.abort(Some(io::Error::new(io::ErrorKind::TimedOut, "TLS shutdown timed out").into()));
        }
    }

    fn fatal_error(&self, error: Error, message: &str) {
        let is_quiet = error.is::<io::Error>();
        self.abort(Some(error.clone()));
        if !is_quiet {
            tell(&self.core, message, error);
        } else if self.core.debug.get() {
            report::debug(format_args!("{self:?}: {message}: {error}"));
        }
    }

    fn start_timer(&self, limit: Duration, step: fn(&Self)) {
        let this: Weak<Self> = self.me.clone();
        let timer = self.core.handle().call_later(limit, move || {
            if let Some(this) = this.upgrade() {
                step(&this);
            }
        });
        self.stop_timer();
        self.timer.replace(Some(timer));
    }

    pub(super) fn stop_timer(&self) {
        let timer = self.timer.take();
        if let Some(timer) = timer {
            timer.cancel();
        }
    }
}
