//! [`Channel`]: what a transport reads from and writes to, and [`TransportSocket`], by which users see it.

use std::cell::Cell;
use std::fmt::{self, Debug};
#[cfg(unix)]
use std::fs::File;
#[cfg(unix)]
use std::io::Write;
use std::io::{self, IoSlice, Read};
use std::net::{SocketAddr, UdpSocket};
#[cfg(unix)]
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::rc::Rc;

#[cfg(unix)]
use socket2::SockAddr;
use socket2::Socket;

use crate::io::{Endpoint, Hold, Io};

/// A socket or pipe that does not block.
pub(crate) enum Channel {
    /// A stream, connected or about to be.
    Socket(Socket),
    /// It accepts streams.
    Listener(Socket),
    Datagrams(UdpSocket),
    #[cfg(unix)]
    Pipe(File),
}

#[cfg(unix)]
impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Socket(socket) | Self::Listener(socket) => socket.as_fd(),
            Self::Datagrams(socket) => socket.as_fd(),
            Self::Pipe(pipe) => pipe.as_fd(),
        }
    }
}

#[cfg(windows)]
impl std::os::windows::io::AsSocket for Channel {
    fn as_socket(&self) -> std::os::windows::io::BorrowedSocket<'_> {
        match self {
            Self::Socket(socket) | Self::Listener(socket) => socket.as_socket(),
            Self::Datagrams(socket) => socket.as_socket(),
        }
    }
}

impl Endpoint for Channel {
    /// Whoever made a stream of std's may have made it of anything.
    fn has_boundaries(&self) -> bool {
        match self {
            Self::Socket(socket) => !is_tcp(socket),
            _ => true,
        }
    }

    fn hold(&self) -> Hold {
        match (self.local_addr(), self.peer_addr()) {
            (Some(local), Some(peer)) => Hold::Connection { local, peer },
            (Some(_), None) if matches!(self, Self::Socket(_)) => Hold::RealTime, // it connects
            (Some(local), None) => Hold::Open(local),
            // Pipes and Unix sockets, whose other end may be here.
            (None, _) => Hold::Moment,
        }
    }
}

/// Whether a short read of it tells that all was read.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn is_tcp(socket: &Socket) -> bool {
    socket.protocol().is_ok_and(|protocol| protocol == Some(socket2::Protocol::TCP))
}

/// Whether a short read of it tells that all was read: elsewhere it never does.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn is_tcp(_: &Socket) -> bool {
    false
}

/// `SIGPIPE` is for those who do not look at what a system call says.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
const SEND_FLAGS: i32 = libc::MSG_NOSIGNAL;
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
const SEND_FLAGS: i32 = 0;

impl Channel {
    pub(super) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Socket(socket) | Self::Listener(socket) => (&*socket).read(buffer),
            Self::Datagrams(socket) => socket.recv(buffer),
            #[cfg(unix)]
            Self::Pipe(pipe) => (&*pipe).read(buffer),
        }
    }

    pub(super) fn write(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Socket(socket) | Self::Listener(socket) => match parts {
                [part] => socket.send_with_flags(part, SEND_FLAGS),
                parts => socket.send_vectored_with_flags(parts, SEND_FLAGS),
            },
            Self::Datagrams(socket) => socket.send(parts.first().map_or(&[], |part| part)),
            #[cfg(unix)]
            Self::Pipe(pipe) => (&*pipe).write_vectored(parts),
        }
    }

    /// No more will be written: the other side reads the end.
    pub(super) fn shut_down(&self) -> io::Result<()> {
        match self {
            Self::Socket(socket) => socket.shutdown(std::net::Shutdown::Write),
            _ => Ok(()),
        }
    }

    pub(super) fn local_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Socket(socket) | Self::Listener(socket) => socket.local_addr().ok()?.as_socket(),
            Self::Datagrams(socket) => socket.local_addr().ok(),
            #[cfg(unix)]
            Self::Pipe(_) => None,
        }
    }

    pub(super) fn peer_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Socket(socket) => socket.peer_addr().ok()?.as_socket(),
            Self::Listener(_) => None,
            Self::Datagrams(socket) => socket.peer_addr().ok(),
            #[cfg(unix)]
            Self::Pipe(_) => None,
        }
    }

    /// Small writes are sent at once, if it is a socket that would wait for more.
    pub(super) fn set_nodelay(&self) {
        if let Self::Socket(socket) = self {
            // A socket without that option sends as it does.
            let _ = socket.set_tcp_nodelay(true);
        }
    }

    /// The number by which reprs name it.
    pub(super) fn number(&self) -> i64 {
        #[cfg(unix)]
        return self.as_fd().as_raw_fd().into();
        #[cfg(windows)]
        return std::os::windows::io::AsRawSocket::as_raw_socket(&std::os::windows::io::AsSocket::as_socket(
            self,
        )) as i64;
    }
}

const CHUNK: usize = 256 * 1024;

thread_local! {
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Lends out a buffer of 256 KiB, the most that is read in one round.
pub(super) fn with_scratch<R>(f: impl FnOnce(&mut [u8]) -> R) -> R {
    let mut buffer = SCRATCH.try_with(Cell::take).unwrap_or_default();
    if buffer.is_empty() {
        buffer = vec![0; CHUNK];
    }
    let result = f(&mut buffer);
    // At the end of the thread there is no place for it any more.
    let _ = SCRATCH.try_with(|place| place.set(buffer));
    result
}

/// The socket behind a transport or server, for options that have no method of their own; what
/// `get_extra_info("socket")` gives.
///
/// It goes on being the number of the socket as long as it is held, but when the transport closes, the connection ends
/// all the same. Reading and writing are the transport's affair.
///
/// ```
/// use coro_core::{start_server, prelude::*};
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// let server = start_server(|_, _| coroutine(|| Ok(())), "127.0.0.1:0").co_await()?;
/// let socket = &server.sockets()[0];
/// assert_eq!(socket.local_addr(), server.local_addrs().first().copied());
/// # Ok(())
/// # })).unwrap();
/// ```
#[derive(Clone)]
pub struct TransportSocket {
    pub(super) io: Rc<Io<Channel>>,
}

impl TransportSocket {
    /// Its own address, if it is one of the internet; `getsockname()`.
    ///
    /// ```
    /// # use coro_core::{start_server, prelude::*};
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// # let server = start_server(|_, _| coroutine(|| Ok(())), "127.0.0.1:0").co_await()?;
    /// assert!(server.sockets()[0].local_addr().unwrap().port() > 0);
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.io.get().local_addr()
    }

    /// The address of the other side, if there is one, of the internet; `getpeername()`.
    ///
    /// ```
    /// # use coro_core::{start_server, prelude::*};
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// # let server = start_server(|_, _| coroutine(|| Ok(())), "127.0.0.1:0").co_await()?;
    /// assert_eq!(server.sockets()[0].peer_addr(), None); // it listens
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.io.get().peer_addr()
    }
}

#[cfg(unix)]
impl AsFd for TransportSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.get().as_fd()
    }
}

#[cfg(unix)]
impl AsRawFd for TransportSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl Debug for TransportSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<TransportSocket fd={}", self.io.get().number())?;
        for (name, address) in [("laddr", self.local_addr()), ("raddr", self.peer_addr())] {
            if let Some(address) = address {
                write!(f, " {name}={address}")?;
            }
        }
        f.write_str(">")
    }
}

/// The path of a Unix socket.
#[cfg(unix)]
pub(super) fn path_of(address: &SockAddr) -> Option<std::path::PathBuf> {
    address.as_pathname().map(std::path::Path::to_owned)
}

#[cfg(all(test, any(target_os = "linux", target_os = "android")))]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn only_short_reads_of_tcp_tell_that_all_was_read() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        for stream in [client, server] {
            assert!(!Channel::Socket(stream.into()).has_boundaries());
        }
        let (one, other) = UnixStream::pair().unwrap();
        assert!(Channel::Socket(OwnedFd::from(one).into()).has_boundaries());
        assert!(Channel::Pipe(File::from(OwnedFd::from(other))).has_boundaries());
    }
}
