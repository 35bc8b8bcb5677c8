//! [`UnixDatagram`].

use std::io;
use std::net::Shutdown;
use std::os::unix::net::{self, SocketAddr};
use std::path::Path;
use std::time::Duration;

use rustix::net::{RecvFlags, recv};
use socket2::SockRef;

use super::super::macros::{buffers, common, example, limits};
use super::super::patience;
use super::{hold, name, text};
use crate::error::io_context;
use crate::io::{Endpoint, Hold, Io, Side};

impl Endpoint for net::UnixDatagram {
    fn hold(&self) -> Hold {
        match self.peer_addr() {
            Ok(_) => hold(self),
            // Who sends a datagram here is no concern of the clock.
            Err(_) => Hold::Moment,
        }
    }
}

/// A socket of datagrams on this machine; std's.
///
/// A datagram is read at once: what does not fit into the buffer is lost. One without any bytes is a datagram too.
///
/// # Errors
/// Operations give the system's errors; those that are given a path name it.
///
/// # Cancellation
/// Nothing is lost: a datagram that was not read waits for the next reader.
///
/// ```
/// use coro_core::{net::UnixDatagram, prelude::*};
/// coro_core::run(coroutine(|| {
///     let (near, far) = UnixDatagram::pair()?;
///     let reader = create_task(coroutine(move || Ok(far.recv(&mut [0; 100])?)));
///     near.send(b"eggs")?;
///     assert_eq!(reader.co_await()?, 4);
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug)]
pub struct UnixDatagram {
    io: Io<net::UnixDatagram>,
}

common! {
    UnixDatagram of std::os::unix::net::UnixDatagram,
    "let (socket, _other) = coro_core::net::UnixDatagram::pair()?;",
    make UnixDatagram::over
}
limits! {
    UnixDatagram, "let (socket, _other) = coro_core::net::UnixDatagram::pair()?;"
}
buffers! {
    UnixDatagram, "let (socket, _other) = coro_core::net::UnixDatagram::pair()?;"
}

impl UnixDatagram {
    fn over(socket: net::UnixDatagram) -> Self {
        Self { io: Io::new(socket) }
    }

    /// A socket at a path, which must not exist.
    ///
    /// # Errors
    /// The system's, with the path.
    ///
    /// ```
    /// # use coro_core::{net::UnixDatagram, prelude::*};
    /// # let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("kitchen");
    /// assert_eq!(UnixDatagram::bind(&path)?.local_addr()?.as_pathname(), Some(&*path));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        let bind = || Self::from_std(net::UnixDatagram::bind(path)?);
        bind().map_err(|error| io_context(error, text(path)))
    }

    /// A socket at an address, which may be an abstract one of Linux.
    ///
    /// # Errors
    /// The system's, with the address.
    ///
    /// ```
    /// # use coro_core::{net::UnixDatagram, prelude::*};
    /// # let folder = tempfile::tempdir()?;
    /// use std::os::unix::net::SocketAddr;
    /// let socket = UnixDatagram::bind_addr(&SocketAddr::from_pathname(folder.path().join("eggs"))?)?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn bind_addr(address: &SocketAddr) -> io::Result<Self> {
        let bind = || Self::from_std(net::UnixDatagram::bind_addr(address)?);
        bind().map_err(|error| io_context(error, name(address)))
    }

    /// A socket without an address.
    ///
    /// # Errors
    /// The system's.
    ///
    /// ```
    /// # use coro_core::{net::UnixDatagram, prelude::*};
    /// assert!(UnixDatagram::unbound()?.local_addr()?.is_unnamed());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn unbound() -> io::Result<Self> {
        Self::from_std(net::UnixDatagram::unbound()?)
    }

    /// Two that are connected with each other.
    ///
    /// # Errors
    /// The system's.
    ///
    /// ```
    /// # use coro_core::{net::UnixDatagram, prelude::*};
    /// let (near, far) = UnixDatagram::pair()?; // without a loop too
    /// near.send(b"eggs")?;
    /// assert_eq!(far.recv(&mut [0; 10])?, 4);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn pair() -> io::Result<(Self, Self)> {
        let (near, far) = net::UnixDatagram::pair()?;
        Ok((Self::from_std(near)?, Self::from_std(far)?))
    }

    /// Binds it to the socket at a path: [`send`](Self::send) sends there.
    ///
    /// # Errors
    /// The system's, with the path.
    ///
    /// ```
    /// # use coro_core::{net::UnixDatagram, prelude::*};
    /// # let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("kitchen");
    /// let (near, far) = (UnixDatagram::unbound()?, UnixDatagram::bind(&path)?);
    /// near.connect(&path)?;
    /// near.send(b"eggs")?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn connect(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let path = path.as_ref();
        self.io.get().connect(path).map_err(|error| io_context(error, text(path)))?;
        self.io.note_connected();
        Ok(())
    }

    /// Binds it to the socket at an address.
    ///
    /// # Errors
    /// The system's, with the address.
    ///
    /// ```
    /// # use coro_core::{net::UnixDatagram, prelude::*};
    /// # let folder = tempfile::tempdir()?;
    /// let far = UnixDatagram::bind(folder.path().join("kitchen"))?;
    /// UnixDatagram::unbound()?.connect_addr(&far.local_addr()?)?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn connect_addr(&self, address: &SocketAddr) -> io::Result<()> {
        self.io.get().connect_addr(address).map_err(|error| io_context(error, name(address)))?;
        self.io.note_connected();
        Ok(())
    }

    /// The address it is bound to, which may have no name.
    ///
    /// # Errors
    /// The system's.
    ///
    /// ```
    /// # use coro_core::{net::UnixDatagram, prelude::*};
    /// assert!(UnixDatagram::pair()?.0.local_addr()?.is_unnamed());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.get().local_addr()
    }

    /// The address it is connected to.
    ///
    /// # Errors
    /// Of kind `NotConnected`; the system's.
    ///
    /// ```
    /// # use coro_core::{net::UnixDatagram, prelude::*};
    /// assert!(UnixDatagram::unbound()?.peer_addr().is_err());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.io.get().peer_addr()
    }

    /// Sends one datagram to the socket it is connected to. It waits while that one has no room.
    ///
    /// # Errors
    /// The system's.
    ///
    /// # Cancellation
    /// The datagram was not sent.
    ///
    /// ```
    /// # use coro_core::{net::UnixDatagram, prelude::*};
    /// let (near, far) = UnixDatagram::pair()?;
    /// assert_eq!((near.send(b"")?, far.recv(&mut [0; 10])?), (0, 0));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn send(&self, datagram: &[u8]) -> io::Result<usize> {
        self.io.run(Side::Write, |socket| socket.send(datagram), |_| false)
    }

    /// Sends one datagram to the socket at a path. While that one has no room it tries again and again, since the system
    /// has no event for that.
    ///
    /// # Errors
    /// The system's, with the path.
    ///
    /// # Cancellation
    /// The datagram was not sent.
    ///
    /// ```
    /// # use coro_core::{net::UnixDatagram, prelude::*};
    /// # let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("kitchen");
    /// let far = UnixDatagram::bind(&path)?;
    /// assert_eq!(UnixDatagram::unbound()?.send_to(b"eggs", &path)?, 4);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn send_to(&self, datagram: &[u8], path: impl AsRef<Path>) -> io::Result<usize> {
        let path = path.as_ref();
        let sent = patience::retry(self.io.limit(Side::Write), || self.io.get().send_to(datagram, path));
        sent.map_err(|error| io_context(error, text(path)))
    }

    /// Sends one datagram to the socket at an address, as [`send_to`](Self::send_to) does.
    ///
    /// # Errors
    /// The system's, with the address.
    ///
    /// # Cancellation
    /// The datagram was not sent.
    ///
    /// ```
    /// # use coro_core::{net::UnixDatagram, prelude::*};
    /// # let folder = tempfile::tempdir()?;
    /// let far = UnixDatagram::bind(folder.path().join("kitchen"))?;
    /// assert_eq!(UnixDatagram::unbound()?.send_to_addr(b"eggs", &far.local_addr()?)?, 4);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn send_to_addr(&self, datagram: &[u8], address: &SocketAddr) -> io::Result<usize> {
        let sent =
            patience::retry(self.io.limit(Side::Write), || self.io.get().send_to_addr(datagram, address));
        sent.map_err(|error| io_context(error, name(address)))
    }

    /// Receives one datagram, and tells its length.
    ///
    /// # Errors
    /// The system's.
    ///
    /// # Cancellation
    /// Nothing is lost.
    ///
    /// ```
    /// # use coro_core::{net::UnixDatagram, prelude::*};
    /// let (near, far) = UnixDatagram::pair()?;
    /// near.send(b"eggs")?;
    /// assert_eq!(far.recv(&mut [0; 3])?, 3); // the rest is lost
    /// # Ok::<(), Error>(())
    /// ```
    pub fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.io.run(Side::Read, |socket| socket.recv(buffer), |_| false)
    }

    /// Receives one datagram, and tells its length and where it comes from.
    ///
    /// # Errors
    /// The system's.
    ///
    /// # Cancellation
    /// Nothing is lost.
    ///
    /// ```
    /// # use coro_core::{net::UnixDatagram, prelude::*};
    /// let (near, far) = UnixDatagram::pair()?;
    /// near.send(b"eggs")?;
    /// assert_eq!(far.recv_from(&mut [0; 10])?.0, 4);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.io.run(Side::Read, |socket| socket.recv_from(buffer), |_| false)
    }

    /// As [`recv`](Self::recv), but the next reader receives the same datagram.
    ///
    /// # Errors
    /// The system's.
    ///
    /// # Cancellation
    /// Nothing is lost.
    ///
    /// ```
    /// # use coro_core::{net::UnixDatagram, prelude::*};
    /// let (near, far) = UnixDatagram::pair()?;
    /// near.send(b"eggs")?;
    /// assert_eq!((far.peek(&mut [0; 10])?, far.recv(&mut [0; 10])?), (4, 4));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let peek = |socket: &net::UnixDatagram| Ok(recv(socket, &mut *buffer, RecvFlags::PEEK)?.0);
        self.io.run(Side::Read, peek, |_| false)
    }

    /// Ends one direction, or both. Who waits for it wakes.
    ///
    /// # Errors
    /// The system's.
    ///
    /// ```
    /// # use coro_core::{net::UnixDatagram, prelude::*};
    /// let (near, _far) = UnixDatagram::pair()?;
    /// near.shutdown(std::net::Shutdown::Write)?;
    /// assert!(near.send(b"eggs").is_err());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.io.get().shutdown(how)
    }
}
