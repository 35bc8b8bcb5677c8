//! [ureq](https://docs.rs/ureq) on this library's sockets: an [`Agent`] whose calls suspend the task where they would
//! block the thread.
//!
//! ureq asks for three things: a [`Connector`] that opens connections, a [`Transport`] that carries bytes over one, and a
//! [`Resolver`] for names. TLS comes from ureq's own connector, which goes on top. Its limits are counted by the real
//! clock; only waiting for bytes goes by the clock of the loop.

use std::io::{self, Read, Write};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::sync::{Arc, Weak};

use coro_core::net::TcpStream;
use coro_core::{Elapsed, Error, dns, timeout};
use ureq::Agent;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::time::Duration;
use ureq::unversioned::transport::{
    Buffers, ConnectProxyConnector, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout,
    RustlsConnector, ShutdownHandle, Transport,
};

/// An agent for as many tasks as like: it is cloned by counting, and keeps connections for the next request.
pub fn agent(config: Config) -> Agent {
    // An error of ureq does not tell its source: a cancellation that came through it would not be known as one.
    Error::see_into::<ureq::Error>(|error| match error {
        ureq::Error::Io(error) | ureq::Error::Decompress(_, error) => Some(error),
        ureq::Error::Json(error) => Some(error),
        ureq::Error::Other(error) => Some(&**error),
        ureq::Error::Timeout(_) => Some(&Elapsed),
        _ => None,
    });
    let connector =
        ().chain(ConnectProxyConnector::default()).chain(Sockets).chain(RustlsConnector::default());
    Agent::with_parts(config, connector, Names)
}

/// Looks names up in the loop's threads, while the task waits.
#[derive(Debug)]
struct Names;

impl Resolver for Names {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        limit: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let bad = || ureq::Error::BadUri(uri.to_string());
        let host = uri.host().ok_or_else(bad)?.trim_start_matches('[').trim_end_matches(']');
        let port = match (uri.port_u16(), uri.scheme_str()) {
            (Some(port), _) => port,
            (None, Some("https")) => 443,
            (None, Some("http")) => 80,
            _ => return Err(bad()),
        };
        let found = within(limit, || dns::resolve(host, port))?;
        let mut addresses = self.empty();
        for address in config.ip_family().keep_wanted(found.into_iter()) {
            if addresses.try_push(address).is_err() {
                break; // there are enough
            }
        }
        match addresses.is_empty() {
            true => Err(ureq::Error::HostNotFound),
            false => Ok(addresses),
        }
    }
}

/// Opens connections.
#[derive(Debug)]
struct Sockets;

impl<In: Transport> Connector<In> for Sockets {
    type Out = Either<In, Wire>;

    fn connect(
        &self,
        details: &ConnectionDetails,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        // A proxy is connected already.
        if let Some(transport) = chained {
            return Ok(Some(Either::A(transport)));
        }
        let stream = within(details.timeout, || TcpStream::connect(&*details.addrs))?;
        stream.set_nodelay(details.config.no_delay())?;
        let stream = Arc::new(Socket(stream));
        let handle = Arc::downgrade(&stream);
        (details.register_shutdown)(handle as Weak<dyn ShutdownHandle>)?;
        let buffers =
            LazyBuffers::new(details.config.input_buffer_size(), details.config.output_buffer_size());
        Ok(Some(Either::B(Wire { stream, buffers })))
    }
}

/// Shared with the agent, which shuts it down when it is shut down itself.
#[derive(Debug)]
struct Socket(TcpStream);

impl ShutdownHandle for Socket {
    fn shutdown(&self) {
        // Fails if the connection is over already.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

/// Carries the bytes of one connection.
#[derive(Debug)]
struct Wire {
    stream: Arc<Socket>,
    buffers: LazyBuffers,
}

impl Transport for Wire {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, limit: NextTimeout) -> Result<(), ureq::Error> {
        let limit = limit.for_write();
        let mut stream = &self.stream.0;
        stream.set_write_timeout(waiting_time(&limit)?)?;
        let output = &self.buffers.output()[..amount];
        stream.write_all(output).map_err(|error| late(error, &limit))
    }

    fn await_input(&mut self, limit: NextTimeout) -> Result<bool, ureq::Error> {
        let limit = limit.for_read();
        let mut stream = &self.stream.0;
        stream.set_read_timeout(waiting_time(&limit)?)?;
        let read = stream.read(self.buffers.input_append_buf()).map_err(|error| late(error, &limit))?;
        self.buffers.input_appended(read);
        Ok(read > 0)
    }

    /// The agent asks while it holds its lock: this must not suspend.
    fn is_open(&mut self) -> bool {
        let socket = socket2::SockRef::from(&self.stream.0);
        let nothing = socket.peek(&mut [MaybeUninit::uninit()]);
        nothing.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }
}

/// Runs `f`, for no longer than ureq says.
fn within<T>(limit: NextTimeout, f: impl FnOnce() -> io::Result<T>) -> Result<T, ureq::Error> {
    let result = match waiting_time(&limit)? {
        None => f(),
        Some(time) => timeout(time, || Ok(f()?)).map_err(io::Error::from),
    };
    result.map_err(|error| late(error, &limit))
}

/// How long may be waited; an error if the time is over.
fn waiting_time(limit: &NextTimeout) -> Result<Option<std::time::Duration>, ureq::Error> {
    match limit.after {
        Duration::NotHappening => Ok(None),
        Duration::Exact(time) if time.is_zero() => Err(ureq::Error::Timeout(limit.reason)),
        Duration::Exact(time) => Ok(Some(time)),
    }
}

/// The error of an operation, as ureq would have it.
fn late(error: io::Error, limit: &NextTimeout) -> ureq::Error {
    match error.kind() {
        io::ErrorKind::TimedOut => ureq::Error::Timeout(limit.reason),
        _ => error.into(),
    }
}
