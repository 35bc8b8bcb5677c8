//! Transports over pipes; CPython's `_UnixReadPipeTransport` and `_UnixWritePipeTransport`.
//!
//! A pipe goes in one direction: at the end of what is read, and when nobody reads what is written, it is closed.

use std::cell::Cell;
use std::fmt::{self, Debug};
use std::io::{self, IoSlice};
use std::rc::{Rc, Weak};
use std::time::Duration;

use super::channel::{Channel, with_scratch};
use super::flow::Outgoing;
use super::link::{Link, by_link};
use super::protocol::{Protocol, call_back};
use super::socket::{is_retry, made_soon, settle_soon};
use super::watch::{WhenReady, soon};
use super::{Object, Transport};
use crate::error::{Error, Result, RuntimeError};
use crate::events::{LoopCore, Resource};
use crate::future::Future;
use crate::io::{Io, Side};
use crate::reactor::block_until_ready;

pub(super) struct PipeTransport {
    me: Weak<Self>,
    link: Link<dyn Protocol>,
    /// Which end of the pipe this is.
    side: Side,
    out: Outgoing,
    /// Whether its end was scheduled.
    ending: Cell<bool>,
}

impl PipeTransport {
    pub(super) fn start(
        core: &Rc<LoopCore>,
        io: Rc<Io<Channel>>,
        (side, watches): (Side, bool),
        protocol: Rc<dyn Protocol>,
        made: Future<()>,
    ) -> Rc<Self> {
        let this = Rc::new_cyclic(|me: &Weak<Self>| {
            let owner = me.clone() as Weak<dyn Resource>;
            let link = Link::new(core, io, protocol, owner);
            Self { me: me.clone(), link, side, out: Outgoing::default(), ending: Cell::new(false) }
        });
        made_soon(&this.link, this.handle());
        if watches {
            let reader = Rc::clone(&this);
            soon(core, "add_reader", move || reader.read_on());
        }
        settle_soon(core, made);
        this
    }

    pub(super) fn handle(self: &Rc<Self>) -> Transport {
        Transport { object: Rc::clone(self) as Rc<dyn Object> }
    }

    /// Waits for more to read; on the writing end, for the other one to be closed.
    fn read_on(&self) {
        let (Some(this), Some(io), true) = (self.me.upgrade(), self.link.io(), self.link.is_reading()) else {
            return;
        };
        if let Err(error) = self.link.reading.arm(&self.link.core, &io, this) {
            self.fatal_error(error.into(), "Fatal error on pipe transport");
        }
    }

    fn write_on(&self) {
        let (Some(this), Some(io)) = (self.me.upgrade(), self.link.io()) else { return };
        if let Err(error) = self.link.writing.arm(&self.link.core, &io, this) {
            self.fatal_error(error.into(), "Fatal error on pipe transport");
        }
    }

    fn read_ready(&self) {
        if self.side == Side::Write {
            let Some(io) = self.link.io() else { return };
            // Some pollers wake for both directions. Without the note it would be told at once again, for ever.
            if !block_until_ready(io.get(), Side::Read, Some(Duration::ZERO)).unwrap_or(true) {
                io.note_blocked(&self.link.core, Side::Read, false);
                return self.read_on();
            }
            self.link.log(self, "was closed by peer");
            let lost = !self.out.is_empty();
            return self.end(lost.then(|| io::Error::from(io::ErrorKind::BrokenPipe).into()));
        }
        if with_scratch(|buffer| self.read_once(buffer)) {
            self.read_on();
        }
    }

    fn read_once(&self, buffer: &mut [u8]) -> bool {
        let Some(io) = self.link.io() else { return false };
        match io.get().read(buffer) {
            Err(error) if is_retry(&error) => {
                if error.kind() == io::ErrorKind::WouldBlock {
                    io.note_blocked(&self.link.core, Side::Read, false);
                }
            }
            Err(error) => self.fatal_error(error.into(), "Fatal read error on pipe transport"),
            Ok(0) => {
                self.link.log(self, "was closed by peer");
                if let (Some(protocol), false) = (self.link.protocol(), self.link.closing.get()) {
                    let core = Rc::clone(&self.link.core);
                    let name = "Protocol::eof_received";
                    soon(&self.link.core, name, move || {
                        call_back(&core, name, || {
                            protocol.eof_received(); // it is closed whatever this says
                        });
                    });
                }
                self.end(None);
                return false;
            }
            Ok(count) => {
                if count < buffer.len() {
                    io.note_blocked(&self.link.core, Side::Read, true);
                }
                drop(io);
                let Some(protocol) = self.link.protocol() else { return false };
                let name = "Protocol::data_received";
                call_back(&self.link.core, name, || protocol.data_received(&buffer[..count]));
            }
        }
        true
    }

    fn write_ready(&self) {
        let Some(io) = self.link.io() else { return };
        match self.out.flush(io.get()) {
            Ok(true) => {
                drop(io);
                self.link.maybe_resume(0, |protocol| protocol.resume_writing()); // which may write
                if self.link.closing.get() && self.out.is_empty() {
                    self.link.reading.disarm();
                    self.lose(None);
                }
            }
            Ok(false) => {
                io.note_blocked(&self.link.core, Side::Write, true);
                self.write_on();
            }
            Err(error) if is_retry(&error) => {
                if error.kind() == io::ErrorKind::WouldBlock {
                    io.note_blocked(&self.link.core, Side::Write, false);
                }
                self.write_on();
            }
            Err(error) => self.write_failed(error),
        }
    }

    fn write_failed(&self, error: io::Error) {
        self.out.clear();
        self.link.lost.set(self.link.lost.get() + 1);
        self.fatal_error(error.into(), "Fatal write error on pipe transport");
    }

    fn fatal_error(&self, error: Error, message: &str) {
        let system = error.downcast_ref::<io::Error>();
        // The end of a terminal is an error to read.
        let is_quiet = match self.side {
            Side::Read => system.and_then(io::Error::raw_os_error) == Some(libc::EIO),
            Side::Write => system.is_some(),
        };
        self.link.report(self, message, &error, is_quiet);
        self.end(Some(error));
    }

    /// Closes it now, whatever waits to be written.
    fn end(&self, error: Option<Error>) {
        self.link.closing.set(true);
        self.out.clear();
        self.link.writing.disarm();
        self.link.reading.disarm();
        self.lose_soon(error);
    }

    fn lose_soon(&self, error: Option<Error>) {
        let (Some(this), false) = (self.me.upgrade(), self.ending.replace(true)) else { return };
        soon(&self.link.core, "Protocol::connection_lost", move || this.lose(error));
    }

    fn lose(&self, error: Option<Error>) {
        if let Some(protocol) = self.link.protocol() {
            call_back(&self.link.core, "Protocol::connection_lost", || protocol.connection_lost(error));
        }
        self.link.release();
    }

    fn check_writes(&self) -> Result<()> {
        match self.side {
            Side::Write => Ok(()),
            Side::Read => Err(RuntimeError::new("this end of a pipe is for reading").into()),
        }
    }
}

impl WhenReady for PipeTransport {
    fn ready(self: Rc<Self>, side: Side) {
        match side {
            Side::Read => self.read_ready(),
            Side::Write => self.write_ready(),
        }
    }
}

impl Object for PipeTransport {
    by_link!();

    fn write(&self, data: &[u8]) -> Result<()> {
        self.check_writes()?;
        let warning = "pipe closed by peer or os.write(pipe, data) raised exception.";
        if data.is_empty() || self.link.ignores_writes(warning, self.link.closing.get()) {
            return Ok(());
        }
        let mut rest = data;
        if self.out.is_empty() {
            let Some(io) = self.link.io() else { return Ok(()) };
            match io.get().write(&[IoSlice::new(data)]) {
                Ok(count) if count == data.len() => return Ok(()),
                Ok(count) => {
                    io.note_blocked(&self.link.core, Side::Write, true);
                    rest = &data[count..];
                }
                Err(error) if is_retry(&error) => {
                    if error.kind() == io::ErrorKind::WouldBlock {
                        io.note_blocked(&self.link.core, Side::Write, false);
                    }
                }
                Err(error) => {
                    drop(io);
                    self.write_failed(error);
                    return Ok(());
                }
            }
        }
        self.out.push(rest);
        self.write_on();
        self.link.maybe_pause(self.out.len(), |protocol| protocol.pause_writing());
        Ok(())
    }

    fn writelines(&self, parts: &mut dyn Iterator<Item = &[u8]>) -> Result<()> {
        let all: Vec<u8> = parts.flatten().copied().collect();
        self.write(&all)
    }

    fn write_eof(&self) {
        self.close();
    }

    fn can_write_eof(&self) -> bool {
        self.side == Side::Write
    }

    fn close(&self) {
        if !self.link.closing.replace(true) && self.out.is_empty() {
            self.link.reading.disarm();
            self.lose_soon(None);
        }
    }

    fn abort(&self, error: Option<Error>) {
        if self.link.io().is_some() {
            self.end(error);
        }
    }

    fn pause_reading(&self) {
        if self.side == Side::Read && self.link.is_reading() {
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

impl Resource for PipeTransport {
    fn loop_closed(self: Rc<Self>) {
        self.link.abandon(&*self);
    }
}

impl Debug for PipeTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.side {
            Side::Read => self.link.describe(f, "ReadTransport", None),
            Side::Write => self.link.describe(f, "WriteTransport", Some(self.out.len())),
        }
    }
}

impl Drop for PipeTransport {
    fn drop(&mut self) {
        self.link.abandon(self);
    }
}
