//! UDP.

use std::io;
use std::net::{self, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use socket2::SockRef;

use super::SocketOptions;
use super::attempts::nowhere;
use super::connect::in_turn;
use super::macros::{buffers, common, example, limits, windows};
use crate::dns::ToAddresses;
use crate::error::io_context;
use crate::io::{Endpoint, Hold, Io, Side};

impl Endpoint for net::UdpSocket {
    fn hold(&self) -> Hold {
        match (self.local_addr(), self.peer_addr()) {
            (Ok(local), Ok(peer)) => Hold::Connection { local, peer },
            (Ok(local), Err(_)) => Hold::Open(local),
            _ => Hold::RealTime,
        }
    }
}

/// A socket of datagrams; std's.
///
/// A datagram is read at once: what does not fit into the buffer is lost, as std says. One without any bytes is a
/// datagram too.
///
/// # Errors
/// Operations give the system's errors; those that are given an address name it.
///
/// # Cancellation
/// Nothing is lost: a datagram that was not read waits for the next reader.
///
/// ```
/// use coro_core::{net::UdpSocket, prelude::*};
/// coro_core::run(coroutine(|| {
///     let socket = UdpSocket::bind("127.0.0.1:0")?;
///     let address = socket.local_addr()?;
///     let cook = create_task(coroutine(move || {
///         let mut buffer = [0; 100];
///         let (length, customer) = socket.recv_from(&mut buffer)?;
///         Ok(socket.send_to(&buffer[..length], customer)?)
///     }));
///     let customer = UdpSocket::bind("127.0.0.1:0")?;
///     customer.send_to(b"eggs", address)?;
///     let mut buffer = [0; 100];
///     assert_eq!(customer.recv_from(&mut buffer)?, (4, address));
///     assert_eq!(cook.co_await()?, 4);
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug)]
pub struct UdpSocket {
    io: Io<net::UdpSocket>,
}

common! {
    UdpSocket of std::net::UdpSocket,
    "let socket = coro_core::net::UdpSocket::bind(\"127.0.0.1:0\")?;",
    make UdpSocket::over
}
limits! {
    UdpSocket, "let socket = coro_core::net::UdpSocket::bind(\"127.0.0.1:0\")?;"
}
buffers! {
    UdpSocket, "let socket = coro_core::net::UdpSocket::bind(\"127.0.0.1:0\")?;"
}
windows!(UdpSocket);

/// Methods of std that change one option, and those that read it.
macro_rules! options {
    ($($(#[$doc:meta])* $get:ident, $(#[$set_doc:meta])* $set:ident: $type:ty = $value:literal on $address:literal;)*) => {
        impl UdpSocket {$(
            $(#[$doc])*
            ///
            /// # Errors
            /// The system's.
            ///
            #[doc = example!(
                "use coro_core::net::UdpSocket;",
                concat!("if let Ok(socket) = UdpSocket::bind(\"", $address, "\") {"),
                concat!("    socket.", stringify!($get), "()?;"),
                "}"
            )]
            pub fn $get(&self) -> io::Result<$type> {
                self.io.get().$get()
            }

            $(#[$set_doc])*
            ///
            /// # Errors
            /// The system's.
            ///
            #[doc = example!(
                "use coro_core::net::UdpSocket;",
                concat!("if let Ok(socket) = UdpSocket::bind(\"", $address, "\") {"),
                concat!("    socket.", stringify!($set), "(", $value, ")?;"),
                concat!("    assert_eq!(socket.", stringify!($get), "()?, ", $value, ");"),
                "}"
            )]
            pub fn $set(&self, value: $type) -> io::Result<()> {
                self.io.get().$set(value)
            }
        )*}
    };
}

options! {
    /// Whether it may send to broadcast addresses.
    broadcast,
    /// Sets whether it may send to broadcast addresses.
    set_broadcast: bool = "true" on "127.0.0.1:0";

    /// How many routers what is sent may pass.
    ttl,
    /// Sets how many routers what is sent may pass.
    set_ttl: u32 = "10" on "127.0.0.1:0";

    /// Whether what it sends to a group of IPv4 comes back to this machine.
    multicast_loop_v4,
    /// Sets whether what it sends to a group of IPv4 comes back to this machine.
    set_multicast_loop_v4: bool = "false" on "127.0.0.1:0";

    /// How many routers what is sent to a group of IPv4 may pass.
    multicast_ttl_v4,
    /// Sets how many routers what is sent to a group of IPv4 may pass.
    set_multicast_ttl_v4: u32 = "10" on "127.0.0.1:0";

    /// Whether what it sends to a group of IPv6 comes back to this machine.
    multicast_loop_v6,
    /// Sets whether what it sends to a group of IPv6 comes back to this machine.
    set_multicast_loop_v6: bool = "false" on "[::1]:0";
}

/// Joining and leaving of groups.
macro_rules! groups {
    ($($name:ident($group:ty, $interface:ty), $what:literal, $example:literal;)*) => {
        impl UdpSocket {$(
            #[doc = $what]
            ///
            /// # Errors
            /// The system's.
            ///
            /// ```
            /// # use coro_core::{net::UdpSocket, prelude::*};
            /// # use std::net::{Ipv4Addr, Ipv6Addr};
            #[doc = $example]
            /// # Ok::<(), Error>(())
            /// ```
            pub fn $name(&self, group: &$group, interface: $interface) -> io::Result<()> {
                self.io.get().$name(group, interface)
            }
        )*}
    };
}

groups! {
    join_multicast_v4(Ipv4Addr, &Ipv4Addr), "Joins a group of IPv4 on the interface of this address; any, if it is unspecified.",
        "let socket = UdpSocket::bind(\"0.0.0.0:0\")?;\nlet joined = socket.join_multicast_v4(&Ipv4Addr::new(224, 0, 0, 123), &Ipv4Addr::LOCALHOST);\n# drop(joined);";
    leave_multicast_v4(Ipv4Addr, &Ipv4Addr), "Leaves a group of IPv4.",
        "let socket = UdpSocket::bind(\"0.0.0.0:0\")?;\nassert!(socket.leave_multicast_v4(&Ipv4Addr::new(224, 0, 0, 123), &Ipv4Addr::LOCALHOST).is_err());";
    join_multicast_v6(Ipv6Addr, u32), "Joins a group of IPv6 on the interface of this number; any, if it is 0.",
        "if let Ok(socket) = UdpSocket::bind(\"[::]:0\") {\n    let joined = socket.join_multicast_v6(&\"ff02::1\".parse::<Ipv6Addr>()?, 0);\n#   drop(joined);\n}";
    leave_multicast_v6(Ipv6Addr, u32), "Leaves a group of IPv6.",
        "if let Ok(socket) = UdpSocket::bind(\"[::]:0\") {\n    let left = socket.leave_multicast_v6(&\"ff02::1\".parse::<Ipv6Addr>()?, 0);\n#   drop(left);\n}";
}

impl UdpSocket {
    pub(super) fn over(socket: net::UdpSocket) -> Self {
        Self { io: Io::new(socket) }
    }

    /// A socket at the first of these addresses that can be had. [`SocketOptions`] has more to choose from.
    ///
    /// # Errors
    /// The system's, with the address; those of [`ToAddresses`].
    ///
    /// # Cancellation
    /// Only the address of a name is waited for; nothing is bound.
    ///
    /// ```
    /// # use coro_core::{net::UdpSocket, prelude::*};
    /// assert_ne!(UdpSocket::bind("127.0.0.1:0")?.local_addr()?.port(), 0);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn bind(address: impl ToAddresses) -> io::Result<Self> {
        SocketOptions::new().udp(address)
    }

    /// The address it is bound to.
    ///
    /// # Errors
    /// The system's.
    ///
    /// ```
    /// # use coro_core::{net::UdpSocket, prelude::*};
    /// assert!(UdpSocket::bind("127.0.0.1:0")?.local_addr()?.ip().is_loopback());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.get().local_addr()
    }

    /// The address it is connected to.
    ///
    /// # Errors
    /// Of kind `NotConnected` before [`connect`](Self::connect); the system's.
    ///
    /// ```
    /// # use coro_core::{net::UdpSocket, prelude::*};
    /// let socket = UdpSocket::bind("127.0.0.1:0")?;
    /// assert!(socket.peer_addr().is_err());
    /// socket.connect("127.0.0.1:9")?;
    /// assert_eq!(socket.peer_addr()?.port(), 9);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.io.get().peer_addr()
    }

    /// Binds it to one address, the first of these that does: [`send`](Self::send) sends there, and only what comes
    /// from there is received. Nothing is sent by this.
    ///
    /// # Errors
    /// The system's, with the address; those of [`ToAddresses`].
    ///
    /// # Cancellation
    /// Only the address of a name is waited for; the socket is as before.
    ///
    /// ```
    /// # use coro_core::{net::UdpSocket, prelude::*};
    /// # coro_core::run(coroutine(|| {
    /// let (near, far) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
    /// near.connect(far.local_addr()?)?;
    /// near.send(b"eggs")?;
    /// assert_eq!(far.recv(&mut [0; 10])?, 4);
    /// # Ok(())
    /// # }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn connect(&self, address: impl ToAddresses) -> io::Result<()> {
        in_turn(&address.to_addresses()?, |address| {
            self.io.get().connect(address).map_err(|error| io_context(error, address))
        })?;
        self.io.note_connected();
        Ok(())
    }

    /// Sends one datagram to the address it is connected to.
    ///
    /// # Errors
    /// The system's.
    ///
    /// # Cancellation
    /// The datagram was not sent.
    ///
    /// ```
    /// # use coro_core::{net::UdpSocket, prelude::*};
    /// # coro_core::run(coroutine(|| {
    /// let socket = UdpSocket::bind("127.0.0.1:0")?;
    /// assert!(socket.send(b"eggs").is_err()); // to whom?
    /// socket.connect(socket.local_addr()?)?;
    /// assert_eq!(socket.send(b"eggs")?, 4);
    /// # Ok(())
    /// # }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn send(&self, datagram: &[u8]) -> io::Result<usize> {
        self.io.run(Side::Write, |socket| socket.send(datagram), |_| false)
    }

    /// Sends one datagram to an address, the first of these.
    ///
    /// # Errors
    /// The system's, with the address; those of [`ToAddresses`].
    ///
    /// # Cancellation
    /// The datagram was not sent.
    ///
    /// ```
    /// # use coro_core::{net::UdpSocket, prelude::*};
    /// # coro_core::run(coroutine(|| {
    /// let (near, far) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
    /// assert_eq!(near.send_to(b"eggs", far.local_addr()?)?, 4);
    /// # Ok(())
    /// # }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn send_to(&self, datagram: &[u8], address: impl ToAddresses) -> io::Result<usize> {
        let address = *address.to_addresses()?.first().ok_or_else(nowhere)?;
        let sent = self.io.run(Side::Write, |socket| socket.send_to(datagram, address), |_| false);
        sent.map_err(|error| io_context(error, address))
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
    /// # use coro_core::{net::UdpSocket, prelude::*};
    /// # coro_core::run(coroutine(|| {
    /// let socket = UdpSocket::bind("127.0.0.1:0")?;
    /// socket.send_to(b"eggs", socket.local_addr()?)?;
    /// let mut buffer = [0; 3];
    /// assert_eq!((socket.recv(&mut buffer)?, &buffer), (3, b"egg")); // the rest is lost
    /// # Ok(())
    /// # }))?;
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
    /// # use coro_core::{net::UdpSocket, prelude::*};
    /// # coro_core::run(coroutine(|| {
    /// let (near, far) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
    /// near.send_to(b"", far.local_addr()?)?;
    /// assert_eq!(far.recv_from(&mut [0; 10])?, (0, near.local_addr()?));
    /// # Ok(())
    /// # }))?;
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
    /// # use coro_core::{net::UdpSocket, prelude::*};
    /// # coro_core::run(coroutine(|| {
    /// let socket = UdpSocket::bind("127.0.0.1:0")?;
    /// socket.send_to(b"eggs", socket.local_addr()?)?;
    /// assert_eq!((socket.peek(&mut [0; 10])?, socket.recv(&mut [0; 10])?), (4, 4));
    /// # Ok(())
    /// # }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.io.run(Side::Read, |socket| socket.peek(buffer), |_| false)
    }

    /// As [`recv_from`](Self::recv_from), but the next reader receives the same datagram.
    ///
    /// # Errors
    /// The system's.
    ///
    /// # Cancellation
    /// Nothing is lost.
    ///
    /// ```
    /// # use coro_core::{net::UdpSocket, prelude::*};
    /// # coro_core::run(coroutine(|| {
    /// let socket = UdpSocket::bind("127.0.0.1:0")?;
    /// socket.send_to(b"eggs", socket.local_addr()?)?;
    /// assert_eq!(socket.peek_from(&mut [0; 10])?, socket.recv_from(&mut [0; 10])?);
    /// # Ok(())
    /// # }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn peek_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.io.run(Side::Read, |socket| socket.peek_from(buffer), |_| false)
    }
}
