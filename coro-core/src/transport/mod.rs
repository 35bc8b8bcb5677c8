//! Transports and protocols: connections whose events are told to callbacks; asyncio's lower floor.
//!
//! Floor: above the sockets of `net/`, below streams, which are made of this. The steps, and the rounds in which they are
//! taken, are CPython's. Who implements what:
//!
//! ```text
//!   Transport ── dyn Object ──┬── SocketTransport ──┐
//!                             └── PipeTransport ────┤── Link: loop, channel, protocol, Watch for each side, Flow
//!   DatagramTransport ── Inner ─────────────────────┘
//!   Server ── Listening ── Listener ── Watch
//! ```
//!
//! A transport that waits for something is held by the loop. Closing the loop closes it: see [`Resource`].
//!
//! [`Resource`]: crate::events::Resource

mod channel;
mod connect;
mod datagram;
mod endpoint;
mod flow;
mod link;
#[cfg(unix)]
mod pipe;
mod protocol;
mod server;
mod socket;
mod target;
mod watch;

use std::any::Any;
use std::fmt::{self, Debug};
use std::net::SocketAddr;
use std::rc::Rc;

pub use channel::TransportSocket;
pub(crate) use connect::{
    ConnectOptions, ServeOptions, connect_example, connect_options, serve, serve_example, serve_options,
};
pub use connect::{CreateConnection, CreateServer};
pub use datagram::DatagramTransport;
pub use endpoint::CreateDatagramEndpoint;
#[cfg(feature = "tls")]
pub(crate) use flow::Flow;
pub use protocol::{DatagramProtocol, Protocol};
#[cfg(feature = "tls")]
pub(crate) use protocol::{call, call_back, tell};
pub use server::Server;
#[cfg(unix)]
pub use target::UnixPath;
pub use target::{ConnectTarget, ServeTarget};
#[cfg(feature = "tls")]
pub(crate) use watch::soon;

use crate::error::{Error, Result};
use crate::events::LoopCore;

/// What a transport of a stream can do. [`by_link`] writes the second half for those that have a `link`.
pub(crate) trait Object: Any + Debug {
    fn write(&self, data: &[u8]) -> Result<()>;
    fn writelines(&self, parts: &mut dyn Iterator<Item = &[u8]>) -> Result<()>;
    fn write_eof(&self);
    fn can_write_eof(&self) -> bool;
    fn close(&self);
    /// Ends the connection at once; `error` is what the protocol is told of it.
    fn abort(&self, error: Option<Error>);
    fn pause_reading(&self);
    fn resume_reading(&self);
    /// How many bytes wait to be written.
    fn buffered(&self) -> usize;

    fn core(&self) -> &Rc<LoopCore>;
    fn is_closing(&self) -> bool;
    fn is_reading(&self) -> bool;
    fn protocol(&self) -> Option<Rc<dyn Protocol>>;
    fn set_protocol(&self, protocol: Rc<dyn Protocol>);
    fn limits(&self) -> (usize, usize);
    fn set_limits(&self, high: Option<usize>, low: Option<usize>) -> Result<()>;
    fn sockname(&self) -> Option<SocketAddr>;
    fn peername(&self) -> Option<SocketAddr>;
    fn socket(&self) -> Option<TransportSocket>;
}

/// A connection with a [`Protocol`]; `asyncio.Transport`. A clone is another handle on it.
///
/// It stays open until it is closed, by [`close`](Self::close), [`abort`](Self::abort), the other side or an error,
/// however many handles there are: while it reads, the loop holds it. Only what has paused reading, and has no handle, is
/// closed when that comes to light, with a report in debug mode.
///
/// Its methods never wait. They can be called from tasks, from callbacks and from its own protocol.
///
/// ```
/// use coro_core::{Protocol, Transport, prelude::*};
/// struct Quiet;
/// impl Protocol for Quiet {}
/// coro_core::run(coroutine(|| {
///     let event_loop = get_running_loop()?;
///     let server = event_loop.create_server(|| Quiet, "127.0.0.1:0").co_await()?;
///     let address = server.local_addrs()[0];
///     let (transport, _) = event_loop.create_connection(|| Quiet, address).co_await()?;
///     let transport: Transport = transport;
///     transport.write(b"good bye\n")?;
///     assert_eq!(transport.peername(), Some(address));
///     transport.close(); // when that was written
///     server.close();
///     server.wait_closed().co_await()
/// }))?;
/// # Ok::<(), Error>(())
/// ```
///
/// It stays on its thread:
/// ```compile_fail
/// fn elsewhere(transport: coro_core::Transport) {
///     std::thread::spawn(move || transport.close());
/// }
/// ```
#[derive(Clone)]
pub struct Transport {
    pub(crate) object: Rc<dyn Object>,
}

/// The examples of this file have a `transport` whose other side reads nothing, and is `other`.
macro_rules! example {
    ($($line:literal),+) => {
        concat!(
            "```\n# use coro_core::{Protocol, prelude::*};\n# struct Quiet;\n# impl Protocol for Quiet {}\n",
            "# coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {\n",
            "# let event_loop = get_running_loop()?;\n",
            "# let listener = std::net::TcpListener::bind(\"127.0.0.1:0\")?;\n",
            "# let (transport, protocol) = event_loop.create_connection(|| Quiet, listener.local_addr()?).co_await()?;\n",
            "# let other = listener.accept()?.0;\n",
            $($line, "\n",)+
            "# transport.close();\n# Ok(())\n# })).unwrap();\n```"
        )
    };
}

impl Transport {
    /// Writes all of `data`: what the system takes is sent at once, the rest is kept and sent later.
    ///
    /// After the connection was lost, what is written goes nowhere; the protocol has been told, or will be.
    ///
    /// # Errors
    /// [`RuntimeError`](crate::RuntimeError) after [`write_eof`](Self::write_eof), and where nothing can be written.
    ///
    #[doc = example!("transport.write(b\"hello\")?;")]
    pub fn write(&self, data: &[u8]) -> Result<()> {
        self.object.write(data)
    }

    /// Writes several pieces, one after the other, with as few system calls as possible.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    ///
    #[doc = example!("transport.writelines([b\"one\\n\", b\"two\\n\"])?;")]
    pub fn writelines<I>(&self, parts: I) -> Result<()>
    where
        I: IntoIterator<Item: AsRef<[u8]>>,
    {
        // Whoever made the parts may be the user: they are all there before the transport takes one.
        let parts: Vec<I::Item> = parts.into_iter().collect();
        self.object.writelines(&mut parts.iter().map(AsRef::as_ref))
    }

    /// Ends what is written: when all is sent the other side reads the end. Reading goes on.
    ///
    #[doc = example!("transport.write_eof();", "assert!(transport.write(b\"more\").is_err());")]
    pub fn write_eof(&self) {
        self.object.write_eof();
    }

    /// Whether there is a [`write_eof`](Self::write_eof) that leaves the reading side open.
    ///
    #[doc = example!("assert!(transport.can_write_eof());")]
    pub fn can_write_eof(&self) -> bool {
        self.object.can_write_eof()
    }

    /// Closes it: nothing more is read; what waits to be written is written first. Then the protocol is told, without an
    /// error.
    ///
    #[doc = example!("transport.close();", "assert!(transport.is_closing());")]
    pub fn close(&self) {
        self.object.close();
    }

    /// Closes it now: what waits to be written is dropped. The protocol is told in the next round, without an error.
    ///
    #[doc = example!("transport.abort();", "assert!(transport.is_closing());")]
    pub fn abort(&self) {
        self.object.abort(None);
    }

    /// Whether it is closed, or will be.
    ///
    #[doc = example!("assert!(!transport.is_closing());")]
    pub fn is_closing(&self) -> bool {
        self.object.is_closing()
    }

    /// Reads no more until [`resume_reading`](Self::resume_reading): the other side will have to wait.
    ///
    #[doc = example!("transport.pause_reading();", "assert!(!transport.is_reading());")]
    pub fn pause_reading(&self) {
        self.object.pause_reading();
    }

    /// Goes on reading.
    ///
    #[doc = example!("transport.pause_reading();", "transport.resume_reading();", "assert!(transport.is_reading());")]
    pub fn resume_reading(&self) {
        self.object.resume_reading();
    }

    /// Whether it reads: it has not paused, and is not closing.
    ///
    #[doc = example!("assert!(transport.is_reading());")]
    pub fn is_reading(&self) -> bool {
        self.object.is_reading()
    }

    /// The protocol, until the connection is lost. It can be cast to `Rc<dyn Any>`, and so back to its type.
    ///
    #[doc = example!("let found: std::rc::Rc<dyn std::any::Any> = transport.get_protocol().unwrap();",
        "assert!(found.downcast::<Quiet>().is_ok());", "# drop(protocol);")]
    pub fn get_protocol(&self) -> Option<Rc<dyn Protocol>> {
        self.object.protocol()
    }

    /// Tells another protocol from now on. [`connection_made`](Protocol::connection_made) is not called for it.
    ///
    #[doc = example!("transport.set_protocol(std::rc::Rc::new(Quiet));")]
    pub fn set_protocol(&self, protocol: Rc<dyn Protocol>) {
        self.object.set_protocol(protocol);
    }

    /// How many bytes wait to be written.
    ///
    #[doc = example!("transport.write(b\"hello\")?;", "assert_eq!(transport.get_write_buffer_size(), 0); // the system has it")]
    pub fn get_write_buffer_size(&self) -> usize {
        self.object.buffered()
    }

    /// The limits of flow control: the lower one, then the upper one.
    ///
    #[doc = example!("assert_eq!(transport.get_write_buffer_limits(), (16 * 1024, 64 * 1024));")]
    pub fn get_write_buffer_limits(&self) -> (usize, usize) {
        self.object.limits()
    }

    /// Sets the limits of flow control. The protocol is told to pause when more than `high` bytes wait to be written, and
    /// to resume when it is not more than `low`. Without `low` it is a quarter of `high`; without `high`, four times `low`;
    /// without both, 64 KiB and 16 KiB.
    ///
    /// # Errors
    /// [`ValueError`](crate::ValueError) if `low` is above `high`.
    ///
    #[doc = example!("transport.set_write_buffer_limits(Some(1000), None)?;",
        "assert_eq!(transport.get_write_buffer_limits(), (250, 1000));",
        "assert!(transport.set_write_buffer_limits(Some(1), Some(2)).is_err());")]
    pub fn set_write_buffer_limits(&self, high: Option<usize>, low: Option<usize>) -> Result<()> {
        self.object.set_limits(high, low)
    }

    /// Its own address, if it is one of the internet; `get_extra_info("sockname")`.
    ///
    #[doc = example!("assert_eq!(transport.sockname(), Some(other.peer_addr()?));")]
    pub fn sockname(&self) -> Option<SocketAddr> {
        self.object.sockname()
    }

    /// The address of the other side, if it is one of the internet; `get_extra_info("peername")`.
    ///
    #[doc = example!("assert_eq!(transport.peername(), Some(other.local_addr()?));")]
    pub fn peername(&self) -> Option<SocketAddr> {
        self.object.peername()
    }

    /// The socket or pipe, until the connection is lost; `get_extra_info("socket")`.
    ///
    #[doc = example!("assert_eq!(transport.socket().unwrap().local_addr(), transport.sockname());")]
    pub fn socket(&self) -> Option<TransportSocket> {
        self.object.socket()
    }

    /// Whether both are handles on the same transport; Python's `is`.
    ///
    #[doc = example!("assert!(transport.same(&transport.clone()));")]
    pub fn same(&self, other: &Transport) -> bool {
        std::ptr::addr_eq(Rc::as_ptr(&self.object), Rc::as_ptr(&other.object))
    }

    pub(crate) fn core(&self) -> &Rc<LoopCore> {
        self.object.core()
    }
}

impl Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.object.fmt(f)
    }
}
