//! TCP.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::{self, Shutdown, SocketAddr};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

use super::connect::{to_any, to_one};
use super::macros::{AT_ONCE, buffers, common, example, limits, reads, windows, writes};
use super::{SocketOptions, patience};
use crate::dns::ToAddresses;
use crate::events::running_core;
use crate::io::{Endpoint, Hold, Io, Side};

impl Endpoint for net::TcpListener {
    fn hold(&self) -> Hold {
        self.local_addr().map_or(Hold::Nothing, Hold::Open)
    }
}

impl Endpoint for net::TcpStream {
    fn has_boundaries(&self) -> bool {
        false
    }

    fn hold(&self) -> Hold {
        match (self.local_addr(), self.peer_addr()) {
            (Ok(local), Ok(peer)) => Hold::Connection { local, peer },
            _ => Hold::RealTime,
        }
    }
}

/// A socket that accepts connections; std's.
///
/// Several tasks can accept at once: they are served in the order of coming.
///
/// # Errors
/// Operations give the system's errors; those that make a socket name the address.
///
/// # Cancellation
/// A connection that was not accepted waits for the next [`accept`](Self::accept).
///
/// ```
/// use coro_core::{net::{TcpListener, TcpStream}, prelude::*};
/// use std::io::{Read, Write};
/// coro_core::run(coroutine(|| {
///     let listener = TcpListener::bind("127.0.0.1:0")?;
///     let address = listener.local_addr()?;
///     let cook = create_task(coroutine(move || {
///         let (stream, _) = listener.accept()?; // the task waits, the loop does not
///         Ok((&stream).write_all(b"six eggs")?)
///     }));
///     let mut order = String::new();
///     TcpStream::connect(address)?.read_to_string(&mut order)?;
///     assert_eq!(order, "six eggs");
///     cook.co_await()
/// }))?;
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug)]
pub struct TcpListener {
    io: Io<net::TcpListener>,
}

common! {
    TcpListener of std::net::TcpListener,
    "let socket = coro_core::net::TcpListener::bind(\"127.0.0.1:0\")?;",
    make TcpListener::over
}

impl TcpListener {
    pub(super) fn over(listener: net::TcpListener) -> Self {
        Self { io: Io::new(listener) }
    }

    /// Listens at the first of these addresses that can be had. [`SocketOptions`] has more to choose from.
    ///
    /// # Errors
    /// The system's, with the address; those of [`ToAddresses`].
    ///
    /// # Cancellation
    /// Only the address of a name is waited for; nothing is bound.
    ///
    /// ```
    /// use coro_core::{net::TcpListener, prelude::*};
    /// coro_core::run(coroutine(|| {
    ///     let listener = TcpListener::bind("localhost:0")?;
    ///     let error = TcpListener::bind(listener.local_addr()?).unwrap_err();
    ///     assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    ///     Ok(())
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn bind(address: impl ToAddresses) -> io::Result<Self> {
        SocketOptions::new().listen(address)
    }

    /// The address it listens at.
    ///
    /// # Errors
    /// The system's.
    ///
    /// ```
    /// # use coro_core::{net::TcpListener, prelude::*};
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// assert!(listener.local_addr()?.ip().is_loopback());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.get().local_addr()
    }

    /// The next connection, and the address it comes from. One that its other end has given up is passed over.
    ///
    /// # Errors
    /// The system's. Where file descriptors are short, see [`accept_patiently`](Self::accept_patiently).
    ///
    /// # Cancellation
    /// No connection is lost.
    ///
    /// ```
    /// # use coro_core::{net::{TcpListener, TcpStream}, prelude::*};
    /// # coro_core::run(coroutine(|| {
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let client = TcpStream::connect(listener.local_addr()?)?;
    /// let (stream, peer) = listener.accept()?;
    /// assert_eq!((stream.peer_addr()?, peer), (client.local_addr()?, client.local_addr()?));
    /// # Ok(())
    /// # }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, peer) = self.io.run(Side::Read, accept, |_| false)?;
        Ok((TcpStream::over(stream), peer))
    }

    /// As [`accept`](Self::accept), for servers. When the system has no file descriptor or memory for one more
    /// connection, the loop's exception handler is told once, the listener rests for a second, and tries again.
    ///
    /// # Errors
    /// The system's others.
    ///
    /// # Cancellation
    /// No connection is lost.
    ///
    /// ```
    /// # use coro_core::{net::{TcpListener, TcpStream}, prelude::*};
    /// # coro_core::run(coroutine(|| {
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let client = TcpStream::connect(listener.local_addr()?)?;
    /// let (stream, _) = listener.accept_patiently()?;
    /// # Ok(())
    /// # }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn accept_patiently(&self) -> io::Result<(TcpStream, SocketAddr)> {
        patience::accept(|| self.accept())
    }

    /// The connections that come, as an iterator that never ends. It accepts
    /// [patiently](Self::accept_patiently).
    ///
    /// ```
    /// use coro_core::{net::{TcpListener, TcpStream}, prelude::*};
    /// coro_core::run(coroutine(|| {
    ///     let listener = TcpListener::bind("127.0.0.1:0")?;
    ///     let clients = [0; 3].map(|_| TcpStream::connect(listener.local_addr().unwrap()).unwrap());
    ///     for (client, stream) in clients.iter().zip(listener.incoming()) {
    ///         assert_eq!(stream?.peer_addr()?, client.local_addr()?);
    ///     }
    ///     Ok(())
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming { listener: self }
    }

    /// How many routers what is sent may pass.
    ///
    /// # Errors
    /// The system's.
    ///
    /// ```
    /// # use coro_core::{net::TcpListener, prelude::*};
    /// assert!(TcpListener::bind("127.0.0.1:0")?.ttl()? > 0);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn ttl(&self) -> io::Result<u32> {
        self.io.get().ttl()
    }

    /// Sets how many routers what is sent may pass.
    ///
    /// # Errors
    /// The system's.
    ///
    /// ```
    /// # use coro_core::{net::TcpListener, prelude::*};
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// listener.set_ttl(10)?;
    /// assert_eq!(listener.ttl()?, 10);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.io.get().set_ttl(ttl)
    }
}

/// One system call where there is one that does it all.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
fn accept(listener: &net::TcpListener) -> io::Result<(net::TcpStream, SocketAddr)> {
    let listener = SockRef::from(listener);
    let (stream, peer) = until_one_lives(|| listener.accept4(libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC))?;
    let peer = peer.as_socket().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
    Ok((stream.into(), peer))
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
fn accept(listener: &net::TcpListener) -> io::Result<(net::TcpStream, SocketAddr)> {
    let (stream, peer) = until_one_lives(|| listener.accept())?;
    stream.set_nonblocking(true)?;
    Ok((stream, peer))
}

/// Passes over connections that were given up before they were accepted.
fn until_one_lives<T>(mut accept: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match accept() {
            Err(error) if is_of_the_connection(&error) => {}
            result => return result,
        }
    }
}

/// Whether it is an error of the connection that was to be accepted, not of the listener.
fn is_of_the_connection(error: &io::Error) -> bool {
    // Linux gives what had gone wrong on the way already.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    const ON_THE_WAY: &[i32] = &[
        libc::ENETDOWN,
        libc::EPROTO,
        libc::ENOPROTOOPT,
        libc::EHOSTDOWN,
        libc::ENONET,
        libc::EHOSTUNREACH,
        libc::ENETUNREACH,
    ];
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    const ON_THE_WAY: &[i32] = &[];
    error.kind() == io::ErrorKind::ConnectionAborted
        || error.raw_os_error().is_some_and(|number| ON_THE_WAY.contains(&number))
}

/// What [`TcpListener::incoming`] returns.
///
/// ```
/// # use coro_core::{net::{Incoming, TcpListener, TcpStream}, prelude::*};
/// # coro_core::run(coroutine(|| {
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let client = TcpStream::connect(listener.local_addr()?)?;
/// let mut incoming: Incoming<'_> = listener.incoming();
/// assert!(incoming.next().unwrap().is_ok());
/// # Ok(())
/// # }))?;
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug)]
pub struct Incoming<'a> {
    listener: &'a TcpListener,
}

impl Iterator for Incoming<'_> {
    type Item = io::Result<TcpStream>;

    fn next(&mut self) -> Option<io::Result<TcpStream>> {
        Some(self.listener.accept_patiently().map(|(stream, _)| stream))
    }
}

impl std::iter::FusedIterator for Incoming<'_> {}

/// A connection; std's.
///
/// It implements `Read` and `Write`, on `&TcpStream` too, so that one task can read while another one writes. Of
/// several that read at once, each gets a part, in the order of coming. Options that have no method here are reached
/// through `socket2::SockRef::from(&stream)`.
///
/// # Errors
/// Operations give the system's errors; those that make a connection name the address.
///
/// # Cancellation
/// Nothing is lost: what was not given to a reader waits for the next read, and [`write`](Write::write) has told of all
/// that was written. What `read_exact` and `write_all` had done when they were cancelled is done.
///
/// ```
/// use coro_core::{net::{TcpListener, TcpStream}, prelude::*};
/// use std::io::{BufRead, BufReader, Write};
/// coro_core::run(coroutine(|| {
///     let listener = TcpListener::bind("127.0.0.1:0")?;
///     let near = TcpStream::connect(listener.local_addr()?)?;
///     let (far, _) = listener.accept()?;
///     let reader = create_task(coroutine(move || {
///         Ok(BufReader::new(&far).lines().collect::<Result<Vec<_>, _>>()?)
///     }));
///     write!(&near, "six\nbrown\n")?;
///     drop(near);
///     assert_eq!(reader.co_await()?, ["six", "brown"]);
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug)]
pub struct TcpStream {
    pub(super) io: Io<net::TcpStream>,
}

common! {
    TcpStream of std::net::TcpStream,
    "let listener = coro_core::net::TcpListener::bind(\"127.0.0.1:0\")?;
     let socket = coro_core::net::TcpStream::connect(listener.local_addr()?)?;",
    make TcpStream::over
}
limits! {
    TcpStream,
    "let listener = coro_core::net::TcpListener::bind(\"127.0.0.1:0\")?;
     let socket = coro_core::net::TcpStream::connect(listener.local_addr()?)?;"
}
buffers! {
    TcpStream,
    "let listener = coro_core::net::TcpListener::bind(\"127.0.0.1:0\")?;
     let socket = coro_core::net::TcpStream::connect(listener.local_addr()?)?;"
}
reads!(TcpStream, &TcpStream);
writes!(TcpStream, &TcpStream);
windows!(TcpListener, TcpStream);

/// The methods that read or set one option.
#[cfg(any(target_os = "linux", target_os = "android"))]
macro_rules! options {
    ($($(#[$doc:meta])* $get:ident, $(#[$set_doc:meta])* $set:ident: $type:ty = $value:literal;)*) => {
        impl TcpStream {$(
            $(#[$doc])*
            ///
            /// # Errors
            /// The system's.
            ///
            #[doc = example!(
                "let listener = coro_core::net::TcpListener::bind(\"127.0.0.1:0\")?;
                 let socket = coro_core::net::TcpStream::connect(listener.local_addr()?)?;",
                concat!("socket.", stringify!($get), "()?;")
            )]
            pub fn $get(&self) -> io::Result<$type> {
                SockRef::from(self.io.get()).$get()
            }

            $(#[$set_doc])*
            ///
            /// # Errors
            /// The system's.
            ///
            #[doc = example!(
                "let listener = coro_core::net::TcpListener::bind(\"127.0.0.1:0\")?;
                 let socket = coro_core::net::TcpStream::connect(listener.local_addr()?)?;",
                concat!("socket.", stringify!($set), "(", $value, ")?;"),
                concat!("assert_eq!(socket.", stringify!($get), "()?, ", $value, ");")
            )]
            pub fn $set(&self, value: $type) -> io::Result<()> {
                SockRef::from(self.io.get()).$set(value)
            }
        )*}
    };
}

impl TcpStream {
    pub(super) fn over(stream: net::TcpStream) -> Self {
        Self::new(Io::new(stream))
    }

    /// The system may hold a small write back until what was sent before is confirmed, for 40 ms or more. A virtual clock
    /// would jump meanwhile.
    fn new(io: Io<net::TcpStream>) -> Self {
        if running_core().is_ok_and(|core| core.clock.is_virtual()) {
            // It fails where the connection is over already, and nothing will be sent.
            let _ = io.get().set_nodelay(true);
        }
        Self { io }
    }

    /// Connects. A name may have several addresses: in a task they are tried as RFC 8305 says ("happy eyeballs"), those
    /// of IPv6 and of IPv4 in turn, each as soon as the one before has failed or a quarter of a second has passed. The
    /// first connection is taken, and the other attempts have ended then. Where no loop runs, one is tried after the
    /// other.
    ///
    /// # Errors
    /// The system's, with the address; if several addresses have failed in different ways, all that they say; those of
    /// [`ToAddresses`].
    ///
    /// # Cancellation
    /// There is no connection.
    ///
    /// ```
    /// use coro_core::{net::{TcpListener, TcpStream}, prelude::*};
    /// coro_core::run(coroutine(|| {
    ///     let listener = TcpListener::bind("127.0.0.1:0")?;
    ///     let address = listener.local_addr()?;
    ///     TcpStream::connect(("localhost", address.port()))?;
    ///     drop(listener);
    ///     let error = TcpStream::connect(address).unwrap_err();
    ///     assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    ///     assert!(error.to_string().starts_with(&address.to_string()));
    ///     Ok(())
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn connect(address: impl ToAddresses) -> io::Result<Self> {
        Ok(Self::new(to_any(address.to_addresses()?)?))
    }

    /// Connects to one address, within a limit.
    ///
    /// # Errors
    /// The system's, with the address; of kind `TimedOut`; of kind `InvalidInput` for a limit of zero.
    ///
    /// # Cancellation
    /// There is no connection.
    ///
    /// ```
    /// # use coro_core::{net::{TcpListener, TcpStream}, prelude::*};
    /// # coro_core::run(coroutine(|| {
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// TcpStream::connect_timeout(&listener.local_addr()?, secs(5))?;
    /// # Ok(())
    /// # }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn connect_timeout(address: &SocketAddr, timeout: Duration) -> io::Result<Self> {
        Ok(Self::new(to_one(*address, Some(timeout))?))
    }

    /// The address of the other end.
    ///
    /// # Errors
    /// The system's; of kind `NotConnected` when the connection is over.
    ///
    /// ```
    /// # use coro_core::{net::{TcpListener, TcpStream}, prelude::*};
    /// # coro_core::run(coroutine(|| {
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let stream = TcpStream::connect(listener.local_addr()?)?;
    /// assert_eq!(stream.peer_addr()?, listener.local_addr()?);
    /// # Ok(())
    /// # }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.io.get().peer_addr()
    }

    /// The address of this end.
    ///
    /// # Errors
    /// The system's.
    ///
    /// ```
    /// # use coro_core::{net::{TcpListener, TcpStream}, prelude::*};
    /// # coro_core::run(coroutine(|| {
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let stream = TcpStream::connect(listener.local_addr()?)?;
    /// assert!(stream.local_addr()?.ip().is_loopback());
    /// # Ok(())
    /// # }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.get().local_addr()
    }

    /// Ends one direction, or both. Who waits for it wakes: a read finds the end, a write an error.
    ///
    /// # Errors
    /// The system's.
    ///
    /// ```
    /// use coro_core::{net::{TcpListener, TcpStream}, prelude::*};
    /// use std::{io::{Read, Write}, net::Shutdown};
    /// coro_core::run(coroutine(|| {
    ///     let listener = TcpListener::bind("127.0.0.1:0")?;
    ///     let near = TcpStream::connect(listener.local_addr()?)?;
    ///     let (mut far, _) = listener.accept()?;
    ///     near.shutdown(Shutdown::Write)?; // the other end finds the end of what it reads
    ///     assert_eq!(far.read(&mut [0; 10])?, 0);
    ///     far.write_all(b"eggs")?; // the other direction goes on
    ///     assert_eq!((&near).read(&mut [0; 10])?, 4);
    ///     Ok(())
    /// }))?;
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
    /// use coro_core::{net::{TcpListener, TcpStream}, prelude::*};
    /// use std::io::{Read, Write};
    /// coro_core::run(coroutine(|| {
    ///     let listener = TcpListener::bind("127.0.0.1:0")?;
    ///     let near = TcpStream::connect(listener.local_addr()?)?;
    ///     let (mut far, _) = listener.accept()?;
    ///     (&near).write_all(b"eggs")?;
    ///     let mut buffer = [0; 2];
    ///     assert_eq!((far.peek(&mut buffer)?, &buffer), (2, b"eg"));
    ///     assert_eq!((far.read(&mut buffer)?, &buffer), (2, b"eg"));
    ///     Ok(())
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.io.run(Side::Read, |stream| stream.peek(buffer), |_| false)
    }

    /// After how long a silence the system asks whether the other end is there still; `None` if it does not ask.
    ///
    /// # Errors
    /// The system's.
    ///
    /// ```
    /// # use coro_core::{net::{TcpListener, TcpStream}, prelude::*};
    /// # coro_core::run(coroutine(|| {
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let stream = TcpStream::connect(listener.local_addr()?)?;
    /// assert_eq!(stream.keepalive()?, None);
    /// # Ok(())
    /// # }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn keepalive(&self) -> io::Result<Option<Duration>> {
        let socket = SockRef::from(self.io.get());
        match socket.keepalive()? {
            #[cfg(not(windows))]
            true => socket.tcp_keepalive_time().map(Some),
            #[cfg(windows)]
            true => Ok(Some(Duration::from_secs(2 * 60 * 60))),
            false => Ok(None),
        }
    }

    /// Has the system ask after a silence of this length, in whole seconds, whether the other end is there still
    /// (`SO_KEEPALIVE`); `None` ends that.
    ///
    /// # Errors
    /// The system's.
    ///
    /// ```
    /// # use coro_core::{net::{TcpListener, TcpStream}, prelude::*};
    /// # coro_core::run(coroutine(|| {
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let stream = TcpStream::connect(listener.local_addr()?)?;
    /// stream.set_keepalive(Some(secs(60)))?;
    /// assert!(stream.keepalive()?.is_some());
    /// # Ok(())
    /// # }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn set_keepalive(&self, silence: Option<Duration>) -> io::Result<()> {
        let socket = SockRef::from(self.io.get());
        match silence {
            Some(silence) => socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(silence)),
            None => socket.set_keepalive(false),
        }
    }

    /// How long dropping or closing it waits for what was not sent yet; `None` if that goes on unseen.
    ///
    /// # Errors
    /// The system's.
    ///
    /// ```
    /// # use coro_core::{net::{TcpListener, TcpStream}, prelude::*};
    /// # coro_core::run(coroutine(|| {
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let stream = TcpStream::connect(listener.local_addr()?)?;
    /// assert_eq!(stream.linger()?, None);
    /// # Ok(())
    /// # }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        SockRef::from(self.io.get()).linger()
    }

    /// Sets how long dropping or closing it waits, in whole seconds. Zero resets the connection. Anything else blocks
    /// the thread, and the loop with it.
    ///
    /// # Errors
    /// The system's.
    ///
    /// ```
    /// use coro_core::{net::{TcpListener, TcpStream}, prelude::*};
    /// use std::io::Read;
    /// coro_core::run(coroutine(|| {
    ///     let listener = TcpListener::bind("127.0.0.1:0")?;
    ///     let near = TcpStream::connect(listener.local_addr()?)?;
    ///     let (mut far, _) = listener.accept()?;
    ///     near.set_linger(Some(secs(0)))?;
    ///     drop(near);
    ///     let error = far.read(&mut [0]).unwrap_err();
    ///     assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    ///     Ok(())
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        SockRef::from(self.io.get()).set_linger(linger)
    }

    /// How many routers what is sent may pass.
    ///
    /// # Errors
    /// The system's.
    ///
    /// ```
    /// # use coro_core::{net::{TcpListener, TcpStream}, prelude::*};
    /// # coro_core::run(coroutine(|| {
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// assert!(TcpStream::connect(listener.local_addr()?)?.ttl()? > 0);
    /// # Ok(())
    /// # }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn ttl(&self) -> io::Result<u32> {
        self.io.get().ttl()
    }

    /// Sets how many routers what is sent may pass.
    ///
    /// # Errors
    /// The system's.
    ///
    /// ```
    /// # use coro_core::{net::{TcpListener, TcpStream}, prelude::*};
    /// # coro_core::run(coroutine(|| {
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let stream = TcpStream::connect(listener.local_addr()?)?;
    /// stream.set_ttl(10)?;
    /// assert_eq!(stream.ttl()?, 10);
    /// # Ok(())
    /// # }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.io.get().set_ttl(ttl)
    }

    /// Whether small writes are sent at once (`TCP_NODELAY`). Under a virtual clock they are, from the beginning: it would
    /// jump while the system holds them back.
    ///
    /// # Errors
    /// The system's.
    ///
    /// ```
    /// # use coro_core::{net::{TcpListener, TcpStream}, prelude::*};
    /// # coro_core::run(coroutine(|| {
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// assert!(!TcpStream::connect(listener.local_addr()?)?.nodelay()?);
    /// # Ok(())
    /// # }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn nodelay(&self) -> io::Result<bool> {
        self.io.get().nodelay()
    }

    /// Sets whether small writes are sent at once, or gathered while there is something on its way.
    ///
    /// # Errors
    /// The system's.
    ///
    /// ```
    /// # use coro_core::{net::{TcpListener, TcpStream}, prelude::*};
    /// # coro_core::run(coroutine(|| {
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let stream = TcpStream::connect(listener.local_addr()?)?;
    /// stream.set_nodelay(true)?;
    /// assert!(stream.nodelay()?);
    /// # Ok(())
    /// # }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn set_nodelay(&self, on: bool) -> io::Result<()> {
        self.io.get().set_nodelay(on)
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
options! {
    /// How long what was sent may stay unanswered before the connection is given up (`TCP_USER_TIMEOUT`).
    tcp_user_timeout,
    /// Sets how long what was sent may stay unanswered; `None` leaves it to the system.
    set_tcp_user_timeout: Option<Duration> = "Some(secs(30))";

    /// Whether what comes is acknowledged at once (`TCP_QUICKACK`). The system may change it.
    tcp_quickack,
    /// Sets whether what comes is acknowledged at once.
    set_tcp_quickack: bool = "true";
}
