//! [`Session`]: a connection of rustls, between bytes that came and bytes that are to be sent.

use std::io::{self, Read, Write};

use rustls::Connection;

use crate::error::Error;

/// What rustls says, as rustls itself tells it through `std::io`.
pub(super) fn refused(error: rustls::Error) -> Error {
    io::Error::new(io::ErrorKind::InvalidData, error).into()
}

/// How far it got with what came.
#[derive(PartialEq, Eq)]
pub(super) enum Fed {
    /// All is taken in.
    All,
    /// The handshake has ended with it; there may be more to take in.
    Shaken,
    /// The other side writes no more. What comes after that is nothing.
    Closed,
}

pub(super) struct Session {
    connection: Connection,
}

impl Session {
    pub(super) fn new(mut connection: Connection) -> Self {
        connection.set_buffer_limit(None); // the transport above has limits
        Self { connection }
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// Takes in bytes that came, and adds to `plain` what they say.
    pub(super) fn feed(&mut self, data: &mut &[u8], plain: &mut Vec<u8>) -> Result<Fed, rustls::Error> {
        let was_handshaking = self.is_handshaking();
        loop {
            let processed = self.connection.process_new_packets();
            self.take_plain(plain); // also what came before an error
            let state = processed?;
            if was_handshaking && !self.is_handshaking() {
                return Ok(Fed::Shaken); // the end of the other side may be there too: that comes next
            }
            if state.peer_has_closed() {
                return Ok(Fed::Closed);
            }
            if data.is_empty() {
                return Ok(Fed::All);
            }
            self.connection.read_tls(data).map_err(|error| rustls::Error::General(error.to_string()))?;
        }
    }

    fn take_plain(&mut self, plain: &mut Vec<u8>) {
        if let Connection::Server(server) = &mut self.connection
            && let Some(mut early) = server.early_data()
        {
            // Reading from memory fails only where nothing is left.
            let _ = early.read_to_end(plain);
        }
        // It ends with an error that says that nothing is left for now.
        let _ = self.connection.reader().read_to_end(plain);
    }

    /// Encrypts `plain`.
    pub(super) fn write(&mut self, plain: &[u8]) -> io::Result<()> {
        self.connection.writer().write_all(plain)
    }

    /// Says that nothing more will be written.
    pub(super) fn close(&mut self) {
        self.connection.send_close_notify();
    }

    /// Adds to `out` what is to be sent.
    pub(super) fn take_outgoing(&mut self, out: &mut Vec<u8>) {
        while self.connection.wants_write() {
            // Writing to memory does not fail.
            let _ = self.connection.write_tls(out);
        }
    }
}
