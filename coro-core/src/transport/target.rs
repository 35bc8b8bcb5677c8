//! What can be connected to, and what can be served: addresses, or sockets that are there already.

use std::io;
use std::net;
#[cfg(unix)]
use std::path::PathBuf;
use std::rc::Rc;

#[cfg(unix)]
use socket2::SockAddr;
use socket2::{Domain, Protocol, Socket, Type};

use super::channel::Channel;
use super::connect::{ConnectOptions, ServeOptions, connect};
use super::server::Bound;
#[cfg(unix)]
use super::server::BoundPath;
use crate::dns::ToAddresses;
use crate::error::{Result, io_context};
use crate::io::Io;

/// What [`open_connection`](crate::open_connection) and [`EventLoop::create_connection`](crate::EventLoop::create_connection)
/// take: an address, as everything that is [`ToAddresses`], or a socket that is connected already; `sock=`.
///
/// Sockets are std's and this library's `TcpStream` and `UnixStream`.
///
/// ```
/// use coro_core::{open_connection, prelude::*};
/// use std::os::unix::net::UnixStream;
/// coro_core::run(coroutine(|| {
///     let (near, far) = UnixStream::pair()?;
///     let (_, writer) = open_connection(near).co_await()?;
///     let (mut reader, _far) = open_connection(far).co_await()?;
///     writer.write(b"hello\n")?;
///     assert_eq!(reader.readline().co_await()?, b"hello\n");
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is nothing to connect to",
    note = "an address, such as \"127.0.0.1:80\" or a `SocketAddr`, or a connected `TcpStream` or `UnixStream` is"
)]
pub trait ConnectTarget {
    #[doc(hidden)]
    fn __connect(self, options: &ConnectOptions) -> Result<Connected>;
}

/// What [`start_server`](crate::start_server) and [`EventLoop::create_server`](crate::EventLoop::create_server) take: an
/// address to listen at, as everything that is [`ToAddresses`], or a socket that is bound already; `sock=`.
///
/// Sockets are std's and this library's `TcpListener` and `UnixListener`.
///
/// ```
/// use coro_core::{start_server, prelude::*};
/// coro_core::run(coroutine(|| {
///     let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
///     let address = listener.local_addr()?;
///     let server = start_server(|_, _| coroutine(|| Ok(())), listener).co_await()?;
///     assert_eq!(server.local_addrs(), [address]);
///     server.close();
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is nothing to listen at",
    note = "an address, such as \"127.0.0.1:80\" or a `SocketAddr`, or a `TcpListener` or `UnixListener` is"
)]
pub trait ServeTarget {
    #[doc(hidden)]
    fn __bind(self, options: &ServeOptions) -> Result<Listeners>;
}

/// Hidden: a channel that is connected.
#[doc(hidden)]
pub struct Connected(pub(super) Rc<Io<Channel>>);

/// Hidden: sockets that are bound.
#[doc(hidden)]
pub struct Listeners(pub(super) Vec<Bound>);

impl<A: ToAddresses> ConnectTarget for A {
    fn __connect(self, options: &ConnectOptions) -> Result<Connected> {
        connect(self.to_addresses()?, options).map(Connected)
    }
}

impl<A: ToAddresses> ServeTarget for A {
    fn __bind(self, options: &ServeOptions) -> Result<Listeners> {
        let mut addresses = Vec::new();
        for address in self.to_addresses()? {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        let mut sockets = Vec::new();
        for &address in &addresses {
            match bind(address, options) {
                Ok(socket) => sockets.push(unbound_path(socket)),
                Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {} // a family that is not there
                Err(error) => {
                    let what = format!("error while attempting to bind on address {address}");
                    return Err(io_context(error, what).into());
                }
            }
        }
        if sockets.is_empty() {
            let message = format!("could not bind on any address out of {addresses:?}");
            return Err(io::Error::new(io::ErrorKind::AddrNotAvailable, message).into());
        }
        Ok(Listeners(sockets))
    }
}

fn unbound_path(socket: Socket) -> Bound {
    Bound {
        socket,
        #[cfg(unix)]
        path: None,
    }
}

fn bind(address: net::SocketAddr, options: &ServeOptions) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    if options.reuse_address {
        socket.set_reuse_address(true)?;
    }
    #[cfg(unix)]
    if options.reuse_port {
        socket.set_reuse_port(true)?;
    }
    if options.keep_alive {
        socket.set_keepalive(true)?;
    }
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Streams that are connected, and how they become std's.
macro_rules! streams {
    ($($type:ty: $into_std:expr),*) => {$(
        impl ConnectTarget for $type {
            fn __connect(self, _: &ConnectOptions) -> Result<Connected> {
                let socket = Socket::from($into_std(self)?);
                socket.set_nonblocking(true)?;
                Ok(Connected(Rc::new(Io::new(Channel::Socket(socket)))))
            }
        }
    )*};
}

/// Listeners, and how they become std's.
macro_rules! listeners {
    ($($type:ty: $into_std:expr),*) => {$(
        impl ServeTarget for $type {
            fn __bind(self, _: &ServeOptions) -> Result<Listeners> {
                let socket = Socket::from($into_std(self)?);
                socket.set_nonblocking(true)?;
                Ok(Listeners(vec![unbound_path(socket)]))
            }
        }
    )*};
}

streams!(net::TcpStream: io::Result::Ok, crate::net::TcpStream: crate::net::TcpStream::into_std);
listeners!(net::TcpListener: io::Result::Ok, crate::net::TcpListener: crate::net::TcpListener::into_std);

#[cfg(unix)]
mod unix {
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::*;
    use crate::net;

    streams!(UnixStream: io::Result::Ok, net::UnixStream: net::UnixStream::into_std);
    listeners!(UnixListener: io::Result::Ok, net::UnixListener: net::UnixListener::into_std);
}

/// The path of a Unix socket.
///
/// ```
/// # use coro_core::{open_unix_connection, prelude::*};
/// let error = coro_core::run(open_unix_connection("/no/such/socket")).err().unwrap();
/// assert!(error.to_string().starts_with("/no/such/socket: "));
/// ```
#[cfg(unix)]
#[derive(Clone, Debug)]
pub struct UnixPath(PathBuf);

#[cfg(unix)]
impl UnixPath {
    pub(crate) fn new(path: impl AsRef<std::path::Path>) -> Self {
        Self(path.as_ref().to_owned())
    }
}

#[cfg(unix)]
impl ConnectTarget for UnixPath {
    fn __connect(self, _: &ConnectOptions) -> Result<Connected> {
        let Self(path) = self;
        let address = SockAddr::unix(&path).map_err(|error| io_context(error, path.display()))?;
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        loop {
            match socket.connect(&address) {
                // Too many wait to be accepted. Nothing tells when that changes.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    crate::coroutine::Awaitable::co_await(crate::combinators::sleep(FULL))?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => {
                    result.map_err(|error| io_context(error, path.display()))?;
                    return Ok(Connected(Rc::new(Io::new(Channel::Socket(socket)))));
                }
            }
        }
    }
}

/// How long to wait before a full listener is asked again.
#[cfg(unix)]
const FULL: std::time::Duration = std::time::Duration::from_millis(1);

#[cfg(unix)]
impl ServeTarget for UnixPath {
    fn __bind(self, options: &ServeOptions) -> Result<Listeners> {
        let Self(path) = self;
        let bind = || {
            let address = SockAddr::unix(&path)?;
            let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
            socket.set_nonblocking(true)?;
            if address.as_pathname().is_some() {
                remove_stale(&path);
            }
            socket.bind(&address).map(|()| socket)
        };
        let socket = bind().map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => io::Error::new(
                io::ErrorKind::AddrInUse,
                format!("Address '{}' is already in use", path.display()),
            ),
            _ => io_context(error, path.display()),
        })?;
        let path = if options.cleanup_socket { BoundPath::of(&socket) } else { None };
        Ok(Listeners(vec![Bound { socket, path }]))
    }
}

/// Removes the socket that a server before has left.
#[cfg(unix)]
fn remove_stale(path: &std::path::Path) {
    use std::os::unix::fs::FileTypeExt;
    let removed = match std::fs::metadata(path) {
        Ok(found) if found.file_type().is_socket() => std::fs::remove_file(path),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    if let Err(error) = removed {
        let path = path.display();
        crate::report::error(format_args!("Unable to check or remove stale UNIX socket {path}: {error}"));
    }
}
