//! [`SocketOptions`]: what must be decided before a socket is bound.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use super::connect::{finish, in_turn, socket, stream_socket};
use super::{TcpListener, TcpStream, UdpSocket};
use crate::dns::ToAddresses;
use crate::error::io_context;

/// How a socket is made, where [`TcpListener::bind`] and its like do not fit.
///
/// ```
/// use coro_core::{net::{SocketOptions, TcpStream}, prelude::*};
/// coro_core::run(coroutine(|| {
///     let listener = SocketOptions::new().backlog(1024).listen("127.0.0.1:0")?;
///     TcpStream::connect(listener.local_addr()?)?;
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct SocketOptions {
    backlog: i32,
    reuse_address: Option<bool>,
    reuse_port: bool,
    only_v6: Option<bool>,
    recv_buffer_size: Option<usize>,
    send_buffer_size: Option<usize>,
    local: Option<SocketAddr>,
    limit: Option<Duration>,
}

impl Default for SocketOptions {
    /// The same as [`new`](Self::new).
    fn default() -> Self {
        Self::new()
    }
}

impl SocketOptions {
    /// Options as std has them; where it leaves the backlog to the system, 1024 connections.
    ///
    /// ```
    /// # use coro_core::{net::SocketOptions, prelude::*};
    /// let listener = SocketOptions::new().listen("127.0.0.1:0")?; // as TcpListener::bind()
    /// # Ok::<(), Error>(())
    /// ```
    pub fn new() -> Self {
        Self {
            backlog: 1024,
            reuse_address: None,
            reuse_port: false,
            only_v6: None,
            recv_buffer_size: None,
            send_buffer_size: None,
            local: None,
            limit: None,
        }
    }

    /// How many connections may wait to be accepted. The system has a limit of its own.
    ///
    /// ```
    /// # use coro_core::{net::SocketOptions, prelude::*};
    /// let listener = SocketOptions::new().backlog(100).listen("127.0.0.1:0")?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn backlog(mut self, connections: u32) -> Self {
        self.backlog = connections.try_into().unwrap_or(i32::MAX);
        self
    }

    /// Whether an address may be bound of which old connections linger (`SO_REUSEADDR`). If it is not said, a listener
    /// may on Unix, as std's does.
    ///
    /// ```
    /// # use coro_core::{net::SocketOptions, prelude::*};
    /// let listener = SocketOptions::new().reuse_address(false).listen("127.0.0.1:0")?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn reuse_address(mut self, on: bool) -> Self {
        self.reuse_address = Some(on);
        self
    }

    /// Whether others may bind the same address in the same way (`SO_REUSEPORT`): the system shares the connections out
    /// among them.
    ///
    /// ```
    /// # use coro_core::{net::SocketOptions, prelude::*};
    /// # #[cfg(unix)] {
    /// let options = SocketOptions::new().reuse_port(true);
    /// let first = options.listen("127.0.0.1:0")?;
    /// let second = options.listen(first.local_addr()?)?;
    /// assert_eq!(first.local_addr()?, second.local_addr()?);
    /// # }
    /// # Ok::<(), Error>(())
    /// ```
    pub fn reuse_port(mut self, on: bool) -> Self {
        self.reuse_port = on;
        self
    }

    /// Whether a socket of IPv6 is for IPv6 alone (`IPV6_V6ONLY`). If it is not said, the system decides.
    ///
    /// ```
    /// # use coro_core::{net::SocketOptions, prelude::*};
    /// if let Ok(listener) = SocketOptions::new().only_v6(true).listen("[::1]:0") {
    ///     assert!(listener.local_addr()?.is_ipv6());
    /// } // else there is no IPv6 here
    /// # Ok::<(), Error>(())
    /// ```
    pub fn only_v6(mut self, on: bool) -> Self {
        self.only_v6 = Some(on);
        self
    }

    /// The size of the system's buffer for what comes. Accepted connections inherit it.
    ///
    /// ```
    /// # use coro_core::{net::SocketOptions, prelude::*};
    /// let socket = SocketOptions::new().recv_buffer_size(20_000).udp("127.0.0.1:0")?;
    /// assert!(socket.recv_buffer_size()? >= 20_000);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn recv_buffer_size(mut self, size: usize) -> Self {
        self.recv_buffer_size = Some(size);
        self
    }

    /// The size of the system's buffer for what is sent. Accepted connections inherit it.
    ///
    /// ```
    /// # use coro_core::{net::SocketOptions, prelude::*};
    /// let socket = SocketOptions::new().send_buffer_size(20_000).udp("127.0.0.1:0")?;
    /// assert!(socket.send_buffer_size()? >= 20_000);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn send_buffer_size(mut self, size: usize) -> Self {
        self.send_buffer_size = Some(size);
        self
    }

    /// The address that a connection comes from; `local_addr=` of asyncio. It says nothing to listeners.
    ///
    /// ```
    /// # use coro_core::{net::{SocketOptions, TcpListener}, prelude::*};
    /// # coro_core::run(coroutine(|| {
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let stream = SocketOptions::new().local("127.0.0.1:0".parse()?).connect(listener.local_addr()?)?;
    /// # Ok(())
    /// # }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn local(mut self, address: SocketAddr) -> Self {
        self.local = Some(address);
        self
    }

    /// How long each attempt to connect may take.
    ///
    /// ```
    /// # use coro_core::{net::{SocketOptions, TcpListener}, prelude::*};
    /// # coro_core::run(coroutine(|| {
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let stream = SocketOptions::new().timeout(secs(5)).connect(listener.local_addr()?)?;
    /// # Ok(())
    /// # }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// A listener at the first of these addresses that can be had.
    ///
    /// # Errors
    /// The system's, with the address; those of [`ToAddresses`].
    ///
    /// # Cancellation
    /// Only the address of a name is waited for; nothing is bound.
    ///
    /// ```
    /// # use coro_core::{net::SocketOptions, prelude::*};
    /// let listener = SocketOptions::new().listen("127.0.0.1:0")?;
    /// assert_ne!(listener.local_addr()?.port(), 0);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn listen(&self, address: impl ToAddresses) -> io::Result<TcpListener> {
        in_turn(&address.to_addresses()?, |address| {
            let listen = || {
                let socket = stream_socket(address)?;
                socket.set_reuse_address(self.reuse_address.unwrap_or(cfg!(unix)))?;
                self.prepare(&socket, address)?;
                socket.bind(&address.into())?;
                socket.listen(self.backlog)?;
                Ok(TcpListener::over(socket.into()))
            };
            listen().map_err(|error| io_context(error, address))
        })
    }

    /// A UDP socket at the first of these addresses that can be had.
    ///
    /// # Errors
    /// The system's, with the address; those of [`ToAddresses`].
    ///
    /// # Cancellation
    /// Only the address of a name is waited for; nothing is bound.
    ///
    /// ```
    /// # use coro_core::{net::SocketOptions, prelude::*};
    /// let socket = SocketOptions::new().udp("127.0.0.1:0")?;
    /// assert_ne!(socket.local_addr()?.port(), 0);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn udp(&self, address: impl ToAddresses) -> io::Result<UdpSocket> {
        in_turn(&address.to_addresses()?, |address| {
            let bind = || {
                let socket = socket(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
                socket.set_reuse_address(self.reuse_address.unwrap_or(false))?;
                self.prepare(&socket, address)?;
                socket.bind(&address.into())?;
                Ok(UdpSocket::over(socket.into()))
            };
            bind().map_err(|error| io_context(error, address))
        })
    }

    /// A connection to the first of these addresses that answers.
    ///
    /// # Errors
    /// The system's, with the address; those of [`ToAddresses`].
    ///
    /// # Cancellation
    /// There is no connection.
    ///
    /// ```
    /// # use coro_core::{net::{SocketOptions, TcpListener}, prelude::*};
    /// # coro_core::run(coroutine(|| {
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let stream = SocketOptions::new().connect(listener.local_addr()?)?;
    /// assert_eq!(stream.peer_addr()?, listener.local_addr()?);
    /// # Ok(())
    /// # }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn connect(&self, address: impl ToAddresses) -> io::Result<TcpStream> {
        in_turn(&address.to_addresses()?, |address| {
            let connect = || {
                let socket = stream_socket(address)?;
                if let Some(on) = self.reuse_address {
                    socket.set_reuse_address(on)?;
                }
                self.prepare(&socket, address)?;
                if let Some(local) = self.local {
                    socket.bind(&local.into()).map_err(|error| io_context(error, local))?;
                }
                finish(socket, address, self.limit).map(|io| TcpStream { io })
            };
            connect().map_err(|error| io_context(error, address))
        })
    }

    fn prepare(&self, socket: &Socket, address: SocketAddr) -> io::Result<()> {
        #[cfg(unix)]
        if self.reuse_port {
            socket.set_reuse_port(true)?;
        }
        #[cfg(not(unix))]
        if self.reuse_port {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no SO_REUSEPORT"));
        }
        if let Some(on) = self.only_v6.filter(|_| address.is_ipv6()) {
            socket.set_only_v6(on)?;
        }
        if let Some(size) = self.recv_buffer_size {
            socket.set_recv_buffer_size(size)?;
        }
        if let Some(size) = self.send_buffer_size {
            socket.set_send_buffer_size(size)?;
        }
        Ok(())
    }
}
