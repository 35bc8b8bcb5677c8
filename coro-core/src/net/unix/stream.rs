//! [`UnixListener`], [`UnixStream`].

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{self, SocketAddr};
use std::path::Path;
use std::time::Duration;

use rustix::net::{RecvFlags, recv};
use socket2::{Domain, SockAddr, SockRef, Type};

use super::super::connect::socket;
use super::super::macros::{AT_ONCE, buffers, common, example, limits, reads, writes};
use super::super::patience;
use super::{hold, name, text};
use crate::error::io_context;
use crate::events::running_core;
use crate::io::{Endpoint, Hold, Io, Side};

impl Endpoint for net::UnixListener {
    fn hold(&self) -> Hold {
        // As with TCP, a listener alone holds nothing; but one of this process may just be connecting.
        Hold::Moment
    }
}

impl Endpoint for net::UnixStream {
    fn hold(&self) -> Hold {
        hold(self)
    }
}

/// A socket that accepts connections at a path; std's.
///
/// Dropping it leaves the file of that path, as std does.
///
/// # Errors
/// Operations give the system's errors; those that make a socket name the path.
///
/// # Cancellation
/// A connection that was not accepted waits for the next [`accept`](Self::accept).
///
/// ```
/// use coro_core::{net::{UnixListener, UnixStream}, prelude::*};
/// use std::io::{Read, Write};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("kitchen");
/// coro_core::run(coroutine(|| {
///     let listener = UnixListener::bind(&path)?;
///     let cook = create_task(coroutine(move || Ok((&listener.accept()?.0).write_all(b"six eggs")?)));
///     let mut order = String::new();
///     UnixStream::connect(&path)?.read_to_string(&mut order)?;
///     assert_eq!(order, "six eggs");
///     cook.co_await()
/// }))?;
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug)]
pub struct UnixListener {
    io: Io<net::UnixListener>,
}

common! {
    UnixListener of std::os::unix::net::UnixListener,
    "let folder = tempfile::tempdir()?;
     let socket = coro_core::net::UnixListener::bind(folder.path().join(\"eggs\"))?;",
    make UnixListener::over
}

impl UnixListener {
    fn over(listener: net::UnixListener) -> Self {
        Self { io: Io::new(listener) }
    }

    /// Listens at a path, which must not exist.
    ///
    /// # Errors
    /// The system's, with the path.
    ///
    /// ```
    /// # use coro_core::{net::UnixListener, prelude::*};
    /// # let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("kitchen");
    /// let listener = UnixListener::bind(&path)?;
    /// let error = UnixListener::bind(&path).unwrap_err(); // it is there now
    /// assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        let bind = || Self::from_std(net::UnixListener::bind(path)?);
        bind().map_err(|error| io_context(error, text(path)))
    }

    /// Listens at an address, which may be an abstract one of Linux.
    ///
    /// # Errors
    /// The system's, with the address.
    ///
    /// ```
    /// # use coro_core::{net::UnixListener, prelude::*};
    /// # let folder = tempfile::tempdir()?;
    /// use std::os::unix::net::SocketAddr;
    /// let listener = UnixListener::bind_addr(&SocketAddr::from_pathname(folder.path().join("eggs"))?)?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn bind_addr(address: &SocketAddr) -> io::Result<Self> {
        let bind = || Self::from_std(net::UnixListener::bind_addr(address)?);
        bind().map_err(|error| io_context(error, name(address)))
    }

    /// The address it listens at.
    ///
    /// # Errors
    /// The system's.
    ///
    /// ```
    /// # use coro_core::{net::UnixListener, prelude::*};
    /// # let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("kitchen");
    /// assert_eq!(UnixListener::bind(&path)?.local_addr()?.as_pathname(), Some(&*path));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.get().local_addr()
    }

    /// The next connection, and the address it comes from, which has no name as a rule.
    ///
    /// # Errors
    /// The system's. Where file descriptors are short, see [`accept_patiently`](Self::accept_patiently).
    ///
    /// # Cancellation
    /// No connection is lost.
    ///
    /// ```
    /// # use coro_core::{net::{UnixListener, UnixStream}, prelude::*};
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("kitchen");
    /// # coro_core::run(coroutine(|| {
    /// let listener = UnixListener::bind(&path)?;
    /// let client = UnixStream::connect(&path)?;
    /// let (stream, peer) = listener.accept()?;
    /// assert!(peer.is_unnamed());
    /// # Ok(())
    /// # }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        let (stream, peer) = self.io.run(Side::Read, accept, |_| false)?;
        Ok((UnixStream::over(stream), peer))
    }

    /// As [`accept`](Self::accept), for servers; see
    /// [`TcpListener::accept_patiently`](super::super::TcpListener::accept_patiently).
    ///
    /// # Errors
    /// The system's, but those of having no room.
    ///
    /// # Cancellation
    /// No connection is lost.
    ///
    /// ```
    /// # use coro_core::{net::{UnixListener, UnixStream}, prelude::*};
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("kitchen");
    /// # coro_core::run(coroutine(|| {
    /// let listener = UnixListener::bind(&path)?;
    /// let client = UnixStream::connect(&path)?;
    /// let (stream, _) = listener.accept_patiently()?;
    /// # Ok(())
    /// # }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn accept_patiently(&self) -> io::Result<(UnixStream, SocketAddr)> {
        patience::accept(|| self.accept())
    }

    /// The connections that come, as an iterator that never ends. It accepts
    /// [patiently](Self::accept_patiently).
    ///
    /// ```
    /// # use coro_core::{net::{UnixListener, UnixStream}, prelude::*};
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("kitchen");
    /// # coro_core::run(coroutine(|| {
    /// let listener = UnixListener::bind(&path)?;
    /// let client = UnixStream::connect(&path)?;
    /// let stream = listener.incoming().next().unwrap()?;
    /// # Ok(())
    /// # }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn incoming(&self) -> IncomingUnix<'_> {
        IncomingUnix { listener: self }
    }
}

/// One system call where there is one that does it all.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
fn accept(listener: &net::UnixListener) -> io::Result<(net::UnixStream, SocketAddr)> {
    let (stream, peer) = SockRef::from(listener).accept4(libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC)?;
    // One without a name is what std makes of an address that is none of its own.
    let peer = peer.as_unix().map_or_else(|| net::UnixDatagram::unbound()?.local_addr(), Ok)?;
    Ok((stream.into(), peer))
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
fn accept(listener: &net::UnixListener) -> io::Result<(net::UnixStream, SocketAddr)> {
    let (stream, peer) = listener.accept()?;
    stream.set_nonblocking(true)?;
    Ok((stream, peer))
}

/// What [`UnixListener::incoming`] returns.
///
/// ```
/// # use coro_core::{net::{IncomingUnix, UnixListener, UnixStream}, prelude::*};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("kitchen");
/// # coro_core::run(coroutine(|| {
/// let listener = UnixListener::bind(&path)?;
/// let client = UnixStream::connect(&path)?;
/// let mut incoming: IncomingUnix<'_> = listener.incoming();
/// assert!(incoming.next().unwrap().is_ok());
/// # Ok(())
/// # }))?;
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug)]
pub struct IncomingUnix<'a> {
    listener: &'a UnixListener,
}

impl Iterator for IncomingUnix<'_> {
    type Item = io::Result<UnixStream>;

    fn next(&mut self) -> Option<io::Result<UnixStream>> {
        Some(self.listener.accept_patiently().map(|(stream, _)| stream))
    }
}

impl std::iter::FusedIterator for IncomingUnix<'_> {}

/// A connection on this machine; std's.
///
/// It implements `Read` and `Write`, on `&UnixStream` too, as [`TcpStream`](super::super::TcpStream) does.
///
/// # Errors
/// Operations give the system's errors; those that make a connection name the path.
///
/// # Cancellation
/// Nothing is lost; see [`TcpStream`](super::super::TcpStream).
///
/// ```
/// use coro_core::{net::UnixStream, prelude::*};
/// use std::io::{Read, Write};
/// coro_core::run(coroutine(|| {
///     let (mut near, mut far) = UnixStream::pair()?;
///     let reader = create_task(coroutine(move || {
///         let mut order = String::new();
///         far.read_to_string(&mut order)?;
///         Ok(order)
///     }));
///     near.write_all(b"six eggs")?;
///     drop(near);
///     assert_eq!(reader.co_await()?, "six eggs");
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug)]
pub struct UnixStream {
    pub(in super::super) io: Io<net::UnixStream>,
}

common! {
    UnixStream of std::os::unix::net::UnixStream,
    "let (socket, _other) = coro_core::net::UnixStream::pair()?;",
    make UnixStream::over
}
limits! {
    UnixStream, "let (socket, _other) = coro_core::net::UnixStream::pair()?;"
}
buffers! {
    UnixStream, "let (socket, _other) = coro_core::net::UnixStream::pair()?;"
}
reads!(UnixStream, &UnixStream);
writes!(UnixStream, &UnixStream);

impl UnixStream {
    fn over(stream: net::UnixStream) -> Self {
        Self { io: Io::new(stream) }
    }

    /// Connects to a path.
    ///
    /// # Errors
    /// The system's, with the path.
    ///
    /// # Cancellation
    /// There is no connection.
    ///
    /// ```
    /// # use coro_core::{net::{UnixListener, UnixStream}, prelude::*};
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("kitchen");
    /// # coro_core::run(coroutine(|| {
    /// let error = UnixStream::connect(&path).unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    /// assert!(error.to_string().starts_with(path.to_str().unwrap()));
    /// let listener = UnixListener::bind(&path)?;
    /// UnixStream::connect(&path)?;
    /// # Ok(())
    /// # }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn connect(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        let connect = || connect_to(&SockAddr::unix(path)?, || net::UnixStream::connect(path));
        connect().map_err(|error| io_context(error, text(path)))
    }

    /// Connects to an address, which may be an abstract one of Linux.
    ///
    /// # Errors
    /// The system's, with the address.
    ///
    /// # Cancellation
    /// There is no connection.
    ///
    /// ```
    /// # use coro_core::{net::{UnixListener, UnixStream}, prelude::*};
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("kitchen");
    /// # coro_core::run(coroutine(|| {
    /// let listener = UnixListener::bind(&path)?;
    /// UnixStream::connect_addr(&listener.local_addr()?)?;
    /// # Ok(())
    /// # }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn connect_addr(address: &SocketAddr) -> io::Result<Self> {
        let connect = || connect_to(&any_address(address)?, || net::UnixStream::connect_addr(address));
        connect().map_err(|error| io_context(error, name(address)))
    }

    /// Two that are connected with each other.
    ///
    /// # Errors
    /// The system's.
    ///
    /// ```
    /// # use coro_core::{net::UnixStream, prelude::*};
    /// use std::io::{Read, Write};
    /// let (mut near, mut far) = UnixStream::pair()?; // without a loop too
    /// near.write_all(b"eggs")?;
    /// assert_eq!(far.read(&mut [0; 10])?, 4);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn pair() -> io::Result<(Self, Self)> {
        let (near, far) = net::UnixStream::pair()?;
        Ok((Self::from_std(near)?, Self::from_std(far)?))
    }

    /// The address of this end, which has no name as a rule.
    ///
    /// # Errors
    /// The system's.
    ///
    /// ```
    /// # use coro_core::{net::UnixStream, prelude::*};
    /// assert!(UnixStream::pair()?.0.local_addr()?.is_unnamed());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.get().local_addr()
    }

    /// The address of the other end.
    ///
    /// # Errors
    /// The system's.
    ///
    /// ```
    /// # use coro_core::{net::UnixStream, prelude::*};
    /// assert!(UnixStream::pair()?.0.peer_addr()?.is_unnamed());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.io.get().peer_addr()
    }

    /// Ends one direction, or both. Who waits for it wakes: a read finds the end, a write an error.
    ///
    /// # Errors
    /// The system's.
    ///
    /// ```
    /// # use coro_core::{net::UnixStream, prelude::*};
    /// use std::{io::Read, net::Shutdown};
    /// let (near, mut far) = UnixStream::pair()?;
    /// near.shutdown(Shutdown::Write)?;
    /// assert_eq!(far.read(&mut [0; 10])?, 0);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.io.get().shutdown(how)
    }

    /// Reads without taking: the next read gives the same bytes.
    ///
    /// # Errors
    /// The system's.
    ///
    /// # Cancellation
    /// Nothing is lost.
    ///
    /// ```
    /// # use coro_core::{net::UnixStream, prelude::*};
    /// use std::io::{Read, Write};
    /// let (mut near, mut far) = UnixStream::pair()?;
    /// near.write_all(b"eggs")?;
    /// assert_eq!((far.peek(&mut [0; 10])?, far.read(&mut [0; 10])?), (4, 4));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let peek = |stream: &net::UnixStream| Ok(recv(stream, &mut *buffer, RecvFlags::PEEK)?.0);
        self.io.run(Side::Read, peek, |_| false)
    }
}

fn any_address(address: &SocketAddr) -> io::Result<SockAddr> {
    match address.as_pathname() {
        Some(path) => SockAddr::unix(path),
        None => abstract_address(address),
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn abstract_address(address: &SocketAddr) -> io::Result<SockAddr> {
    use std::ffi::OsStr;
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::ffi::OsStrExt;
    let name = address.as_abstract_name().unwrap_or_default();
    SockAddr::unix(OsStr::from_bytes(&[b"\0", name].concat()))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn abstract_address(_: &SocketAddr) -> io::Result<SockAddr> {
    SockAddr::unix("")
}

/// Where a loop runs, a listener that cannot take one more is asked again after a while: the system has no event for
/// that. Elsewhere std blocks.
fn connect_to(
    address: &SockAddr,
    block: impl FnOnce() -> io::Result<net::UnixStream>,
) -> io::Result<UnixStream> {
    if running_core().is_err() {
        return UnixStream::from_std(block()?);
    }
    let socket = socket(Domain::UNIX, Type::STREAM, None)?;
    patience::retry(None, || socket.connect(address))?;
    Ok(UnixStream::over(socket.into()))
}
