//! Transports of streams over sockets; CPython's `_SelectorSocketTransport`.
//!
//! 1. It reads once in a round, at most [`with_scratch`]'s 256 KiB, while it is neither paused nor closing.
//! 2. What is written is sent at once as far as goes; the rest follows when the socket is ready, in order.
//! 3. The end of the connection is told in a round of its own, once.
//! 4. Nothing is borrowed while a method of the protocol runs: it may do anything with the transport.

use std::cell::Cell;
use std::fmt::{self, Debug};
use std::io;
use std::rc::{Rc, Weak};

use super::channel::{Channel, with_scratch};
use super::flow::Outgoing;
use super::link::{Link, by_link};
use super::protocol::{Protocol, call, call_back};
use super::server::{Attached, Listening};
use super::watch::{WhenReady, soon};
use super::{Object, Transport};
use crate::error::{Error, Result, RuntimeError};
use crate::events::{LoopCore, Resource};
use crate::future::Future;
use crate::io::{Io, Side};

pub(super) struct SocketTransport {
    me: Weak<Self>,
    link: Link<dyn Protocol>,
    out: Outgoing,
    /// Whether `write_eof` was called.
    eof: Cell<bool>,
}

/// Tells the protocol in the next round that the connection is there.
pub(super) fn made_soon(link: &Link<dyn Protocol>, transport: Transport) {
    let Some(protocol) = link.protocol() else { return };
    let name = "Protocol::connection_made";
    soon(&link.core, name, move || {
        call_back(transport.object.core(), name, || protocol.connection_made(&transport));
    });
}

/// Settles `made` in the next round.
pub(super) fn settle_soon(core: &Rc<LoopCore>, made: Future<()>) {
    soon(core, "set_result", move || {
        let _ = made.settle_value(()); // who waited may have been cancelled
    });
}

/// Whether the call is only to be made again.
pub(super) fn is_retry(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

impl SocketTransport {
    /// A transport whose protocol is told in the next round; then `made` is settled.
    pub(super) fn start(
        core: &Rc<LoopCore>,
        io: Rc<Io<Channel>>,
        protocol: Rc<dyn Protocol>,
        server: Option<&Rc<Listening>>,
        made: Future<()>,
    ) -> Rc<Self> {
        let channel = Rc::clone(&io);
        let this = Rc::new_cyclic(|me: &Weak<Self>| {
            let owner = me.clone() as Weak<dyn Resource>;
            let link = Link::new(core, io, protocol, owner);
            Self { me: me.clone(), link, out: Outgoing::default(), eof: Cell::new(false) }
        });
        if this.link.sockname.is_some() {
            channel.get().set_nodelay();
        }
        drop(channel);
        if let Some(server) = server {
            let object = Rc::clone(&this) as Rc<dyn Object>;
            this.link.attach(Attached::new(server, &object));
        }
        let transport = this.handle();
        made_soon(&this.link, transport);
        let reader = Rc::clone(&this);
        soon(core, "add_reader", move || reader.read_on());
        settle_soon(core, made);
        this
    }

    fn strong(&self) -> Option<Rc<Self>> {
        self.me.upgrade()
    }

    pub(super) fn handle(self: &Rc<Self>) -> Transport {
        Transport { object: Rc::clone(self) as Rc<dyn Object> }
    }

    /// Waits for more to read, unless it is paused or closing.
    fn read_on(&self) {
        let (Some(this), Some(io), true) = (self.strong(), self.link.io(), self.link.is_reading()) else {
            return;
        };
        if let Err(error) = self.link.reading.arm(&self.link.core, &io, this) {
            self.fatal_error(error.into(), "Fatal error on transport");
        }
    }

    /// Waits until more can be written.
    fn write_on(&self) {
        let (Some(this), Some(io)) = (self.strong(), self.link.io()) else { return };
        if let Err(error) = self.link.writing.arm(&self.link.core, &io, this) {
            self.fatal_error(error.into(), "Fatal error on transport");
        }
    }

    fn read_ready(&self) {
        if self.link.lost.get() > 0 {
            return;
        }
        if with_scratch(|buffer| self.read_once(buffer)) {
            self.read_on();
        }
    }

    /// Reads, and tells the protocol. Whether there may be more to come.
    fn read_once(&self, buffer: &mut [u8]) -> bool {
        let Some(io) = self.link.io() else { return false };
        match io.get().read(buffer) {
            Err(error) if is_retry(&error) => {
                if error.kind() == io::ErrorKind::WouldBlock {
                    io.note_blocked(&self.link.core, Side::Read, false);
                }
            }
            Err(error) => self.fatal_error(error.into(), "Fatal read error on socket transport"),
            Ok(0) => {
                drop(io);
                self.read_end();
                return false;
            }
            Ok(count) => {
                if count < buffer.len() {
                    io.note_blocked(&self.link.core, Side::Read, true);
                }
                drop(io); // so that the method can close it
                let Some(protocol) = self.link.protocol() else { return false };
                if let Err(error) = call(|| protocol.data_received(&buffer[..count])) {
                    self.fatal_error(error, "Fatal error: protocol.data_received() call failed.");
                }
            }
        }
        true
    }

    fn read_end(&self) {
        self.link.log(self, "received EOF");
        let Some(protocol) = self.link.protocol() else { return };
        match call(|| protocol.eof_received()) {
            // There is nothing more to read, but it may go on writing.
            Ok(true) => {}
            Ok(false) => self.close(),
            Err(error) => self.fatal_error(error, "Fatal error: protocol.eof_received() call failed."),
        }
    }

    /// Sends what waits. The error is the system's, and has ended the connection.
    fn flush(&self) -> bool {
        let Some(io) = self.link.io() else { return false };
        match self.out.flush(io.get()) {
            Ok(true) => return true,
            Ok(false) => io.note_blocked(&self.link.core, Side::Write, true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                io.note_blocked(&self.link.core, Side::Write, false);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                drop(io);
                self.out.clear();
                self.fatal_error(error.into(), "Fatal write error on socket transport");
            }
        }
        false
    }

    fn write_ready(&self) {
        if self.link.lost.get() > 0 {
            return;
        }
        self.flush();
        if self.link.lost.get() > 0 {
            return;
        }
        self.link.maybe_resume(self.out.len(), |protocol| protocol.resume_writing()); // which may write
        if !self.out.is_empty() {
            return self.write_on();
        }
        self.link.writing.disarm();
        if self.link.lost.get() > 0 {
            // It was closed or aborted meanwhile.
        } else if self.link.closing.get() {
            self.lose(None);
        } else if self.eof.get() {
            self.shut_down();
        }
    }

    /// Adds to what waits, and sends what can be sent now.
    fn send(&self, parts: &mut dyn Iterator<Item = &[u8]>, at_once: bool) {
        let was_empty = self.out.is_empty();
        parts.for_each(|part| self.out.push(part));
        if self.out.is_empty() || (was_empty || at_once) && self.flush() {
            return;
        }
        if self.out.is_empty() {
            return; // an error has ended it
        }
        self.write_on();
        self.link.maybe_pause(self.out.len(), |protocol| protocol.pause_writing());
    }

    fn shut_down(&self) {
        let Some(io) = self.link.io() else { return };
        match io.get().shut_down() {
            // It was reset by the other side, which reading tells.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => {}
            Err(error) => self.fatal_error(error.into(), "Fatal error on transport"),
            Ok(()) => {}
        }
    }

    fn fatal_error(&self, error: Error, message: &str) {
        self.link.report(self, message, &error, error.is::<io::Error>());
        self.force_close(Some(error));
    }

    fn force_close(&self, error: Option<Error>) {
        if self.link.lost.get() > 0 {
            return;
        }
        self.out.clear();
        self.link.writing.disarm();
        self.link.closing.set(true);
        self.link.reading.disarm();
        self.lose_soon(error);
    }

    fn lose_soon(&self, error: Option<Error>) {
        self.link.lost.set(self.link.lost.get() + 1);
        if let Some(this) = self.strong() {
            soon(&self.link.core, "Protocol::connection_lost", move || this.lose(error));
        }
    }

    fn lose(&self, error: Option<Error>) {
        if let Some(protocol) = self.link.protocol() {
            call_back(&self.link.core, "Protocol::connection_lost", || protocol.connection_lost(error));
        }
        self.link.release();
    }
}

impl WhenReady for SocketTransport {
    fn ready(self: Rc<Self>, side: Side) {
        match side {
            Side::Read => self.read_ready(),
            Side::Write => self.write_ready(),
        }
    }
}

const IGNORED: &str = "socket.send() raised exception.";

impl Object for SocketTransport {
    by_link!();

    fn write(&self, data: &[u8]) -> Result<()> {
        if self.eof.get() {
            return Err(RuntimeError::new("Cannot call write() after write_eof()").into());
        }
        if data.is_empty() || self.link.ignores_writes(IGNORED, false) {
            return Ok(());
        }
        if self.out.is_empty() {
            return self.write_first(data);
        }
        self.send(&mut std::iter::once(data), false);
        Ok(())
    }

    fn writelines(&self, parts: &mut dyn Iterator<Item = &[u8]>) -> Result<()> {
        if self.eof.get() {
            return Err(RuntimeError::new("Cannot call writelines() after write_eof()").into());
        }
        let mut parts = parts.filter(|part| !part.is_empty()).peekable();
        if parts.peek().is_some() && !self.link.ignores_writes(IGNORED, false) {
            self.send(&mut parts, true);
        }
        Ok(())
    }

    fn write_eof(&self) {
        if !self.link.closing.get() && !self.eof.replace(true) && self.out.is_empty() {
            self.shut_down();
        }
    }

    fn can_write_eof(&self) -> bool {
        true
    }

    fn close(&self) {
        if self.link.closing.replace(true) {
            return;
        }
        self.link.reading.disarm();
        if self.out.is_empty() {
            self.link.writing.disarm();
            self.lose_soon(None);
        }
    }

    fn abort(&self, error: Option<Error>) {
        self.force_close(error);
    }

    fn pause_reading(&self) {
        if self.link.is_reading() {
            self.link.paused.set(true);
            self.link.reading.disarm();
            self.link.log(self, "pauses reading");
        }
    }

    fn resume_reading(&self) {
        if !self.link.closing.get() && self.link.paused.replace(false) {
            self.read_on();
            self.link.log(self, "resumes reading");
        }
    }

    fn buffered(&self) -> usize {
        self.out.len()
    }
}

impl SocketTransport {
    /// Writes `data` when nothing else waits: what can be sent now is not copied.
    fn write_first(&self, data: &[u8]) -> Result<()> {
        let Some(io) = self.link.io() else { return Ok(()) };
        let rest = match io.get().write(&[io::IoSlice::new(data)]) {
            Ok(count) if count == data.len() => return Ok(()),
            Ok(count) => {
                io.note_blocked(&self.link.core, Side::Write, true);
                &data[count..]
            }
            Err(error) if is_retry(&error) => {
                if error.kind() == io::ErrorKind::WouldBlock {
                    io.note_blocked(&self.link.core, Side::Write, false);
                }
                data
            }
            Err(error) => {
                drop(io);
                self.fatal_error(error.into(), "Fatal write error on socket transport");
                return Ok(());
            }
        };
        self.out.push(rest);
        self.write_on();
        self.link.maybe_pause(self.out.len(), |protocol| protocol.pause_writing());
        Ok(())
    }
}

impl Resource for SocketTransport {
    fn loop_closed(self: Rc<Self>) {
        self.link.abandon(&*self);
    }
}

impl Debug for SocketTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.link.describe(f, "Transport", Some(self.out.len()))
    }
}

impl Drop for SocketTransport {
    fn drop(&mut self) {
        self.link.abandon(self);
    }
}
