//! `create_datagram_endpoint`.

use std::fmt::{self, Debug};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::rc::Rc;

use socket2::{Domain, Protocol, Socket, Type};

use super::channel::Channel;
use super::datagram::DatagramTransport;
use super::protocol::DatagramProtocol;
use crate::compat::into_future;
use crate::coroutine::{Awaitable, Origins};
use crate::definition::Origin;
use crate::dns::ToAddresses;
use crate::error::{Error, Result, ValueError, io_context};
use crate::events::{EventLoop, LoopCore};
use crate::future::Future;
use crate::io::Io;

/// What [`EventLoop::create_datagram_endpoint`] returns.
///
/// ```
/// use coro_core::{DatagramProtocol, prelude::*};
/// struct Silent;
/// impl DatagramProtocol for Silent {}
/// coro_core::run(coroutine(|| {
///     let endpoint = get_running_loop()?.create_datagram_endpoint(|| Silent);
///     assert_eq!(endpoint.co_await().err().unwrap().to_string(), "unexpected address family"); // no address
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
#[must_use = "the socket is made only when this is awaited"]
pub struct CreateDatagramEndpoint<F> {
    core: Rc<LoopCore>,
    factory: F,
    local: Option<Box<dyn ToAddresses>>,
    remote: Option<Box<dyn ToAddresses>>,
    socket: Option<Result<UdpSocket>>,
    reuse_port: bool,
    allow_broadcast: bool,
}

/// The examples of this file have an `endpoint` without options.
macro_rules! example {
    ($($line:literal),+) => {
        concat!(
            "```\n# use coro_core::{DatagramProtocol, prelude::*};\n# struct Silent;\n# impl DatagramProtocol for Silent {}\n",
            "# coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {\n",
            "let endpoint = get_running_loop()?.create_datagram_endpoint(|| Silent);\n",
            $($line, "\n",)+
            "transport.close();\n# Ok(())\n# })).unwrap();\n```"
        )
    };
}

impl<F> CreateDatagramEndpoint<F> {
    /// Binds the socket to this address.
    ///
    #[doc = example!("let (transport, _) = endpoint.local_addr(\"127.0.0.1:0\").co_await()?;")]
    pub fn local_addr(mut self, address: impl ToAddresses + 'static) -> Self {
        self.local = Some(Box::new(address));
        self
    }

    /// Connects the socket to this address: all datagrams go there, and only those from there come.
    ///
    #[doc = example!("let (transport, _) = endpoint.remote_addr(\"127.0.0.1:9\").co_await()?;",
        "assert_eq!(transport.peername(), Some(\"127.0.0.1:9\".parse()?));")]
    pub fn remote_addr(mut self, address: impl ToAddresses + 'static) -> Self {
        self.remote = Some(Box::new(address));
        self
    }

    /// Takes this socket, std's or this library's, which is bound or connected as it is to be. The other options have no effect then.
    ///
    #[doc = example!("let socket = std::net::UdpSocket::bind(\"127.0.0.1:0\")?;",
        "let (transport, _) = endpoint.socket(socket).co_await()?;")]
    pub fn socket<S>(mut self, socket: S) -> Self
    where
        S: TryInto<UdpSocket>,
        S::Error: Into<Error>,
    {
        self.socket = Some(socket.try_into().map_err(Into::into));
        self
    }

    /// Whether several sockets may share the address, who all ask for it.
    ///
    #[doc = example!("let endpoint = endpoint.local_addr(\"127.0.0.1:0\");",
        "let (transport, _) = endpoint.reuse_port(true).co_await()?;")]
    pub fn reuse_port(mut self, on: bool) -> Self {
        self.reuse_port = on;
        self
    }

    /// Whether datagrams to all may be sent. The socket is not connected to its remote address then.
    ///
    #[doc = example!("let endpoint = endpoint.local_addr(\"127.0.0.1:0\");",
        "let (transport, _) = endpoint.allow_broadcast(true).co_await()?;")]
    pub fn allow_broadcast(mut self, on: bool) -> Self {
        self.allow_broadcast = on;
        self
    }

    /// The socket, and the address that everything is sent to.
    fn open(&mut self) -> Result<(UdpSocket, Option<SocketAddr>)> {
        if let Some(socket) = self.socket.take() {
            return Ok((socket?, None));
        }
        let find = |address: &Option<Box<dyn ToAddresses>>| -> Result<Vec<Option<SocketAddr>>> {
            Ok(match address {
                None => vec![None],
                Some(address) => address.to_addresses()?.into_iter().map(Some).collect(),
            })
        };
        let (local, remote) = (find(&self.local)?, find(&self.remote)?);
        if self.local.is_none() && self.remote.is_none() {
            return Err(ValueError::new("unexpected address family").into());
        }
        let mut failure = None;
        for is_v4 in [true, false] {
            let of_family =
                |address: &&Option<SocketAddr>| address.is_none_or(|address| address.is_ipv4() == is_v4);
            let (Some(local), Some(remote)) = (local.iter().find(of_family), remote.iter().find(of_family))
            else {
                continue;
            };
            let domain = if is_v4 { Domain::IPV4 } else { Domain::IPV6 };
            match self.open_one(domain, *local, *remote) {
                Ok(socket) => return Ok((socket, *remote)),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        match failure {
            Some(error) => Err(error.into()),
            None => Err(ValueError::new("can not get address information").into()),
        }
    }

    fn open_one(
        &self,
        domain: Domain,
        local: Option<SocketAddr>,
        remote: Option<SocketAddr>,
    ) -> io::Result<UdpSocket> {
        let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
        #[cfg(unix)]
        if self.reuse_port {
            socket.set_reuse_port(true)?;
        }
        if self.allow_broadcast {
            socket.set_broadcast(true)?;
        }
        if let Some(local) = local {
            socket.bind(&local.into()).map_err(|error| io_context(error, local))?;
        }
        if let Some(remote) = remote.filter(|_| !self.allow_broadcast) {
            socket.connect(&remote.into()).map_err(|error| io_context(error, remote))?;
        }
        Ok(socket.into())
    }
}

impl<F, P> Awaitable for CreateDatagramEndpoint<F>
where
    F: FnOnce() -> P,
    P: DatagramProtocol,
{
    type Output = (DatagramTransport, Rc<P>);

    fn co_await(mut self) -> Result<(DatagramTransport, Rc<P>)> {
        let (socket, remote) = self.open()?;
        let Self { core, factory, .. } = self;
        core.check_open()?;
        socket.set_nonblocking(true)?;
        let io = Rc::new(Io::new(Channel::Datagrams(socket)));
        let protocol = Rc::new(factory());
        let made = Future::on(Rc::clone(&core));
        let told = Rc::clone(&protocol) as Rc<dyn DatagramProtocol>;
        let transport = DatagramTransport::start(&core, io, remote, told, made.clone());
        match made.wait_done() {
            Ok(()) => Ok((transport, protocol)),
            Err(error) => {
                transport.close();
                Err(error)
            }
        }
    }

    fn __origin(&self) -> Origins {
        Origins(Origin::named(|| "create_datagram_endpoint"))
    }
}

into_future! {
    [F: FnOnce() -> P + 'static, P: DatagramProtocol] CreateDatagramEndpoint<F> => (DatagramTransport, Rc<P>);
}

impl<F> Debug for CreateDatagramEndpoint<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<CreateDatagramEndpoint>")
    }
}

impl EventLoop {
    /// Makes a socket of datagrams, whose events are told to the protocol that `factory` makes;
    /// `loop.create_datagram_endpoint(factory, local_addr=, remote_addr=)`. One of the two addresses is needed.
    ///
    /// # Errors
    /// When awaited: [`ValueError`] without an address, or with two that do not go together; the system's, with the
    /// address in front; those of [`ToAddresses`].
    ///
    /// # Cancellation
    /// The socket is closed.
    ///
    /// ```
    /// use coro_core::{DatagramProtocol, DatagramTransport, Future, prelude::*};
    /// use std::net::SocketAddr;
    ///
    /// struct Clock { asked: Future<Vec<u8>> }
    /// impl DatagramProtocol for Clock {
    ///     fn datagram_received(&self, data: &[u8], _from: SocketAddr) {
    ///         let _ = self.asked.set_result(data.to_vec());
    ///     }
    /// }
    /// coro_core::run(coroutine(|| {
    ///     let clock = || Clock { asked: Future::new() };
    ///     let (transport, clock) =
    ///         get_running_loop()?.create_datagram_endpoint(clock).local_addr("127.0.0.1:0").co_await()?;
    ///     let somebody = std::net::UdpSocket::bind("127.0.0.1:0")?;
    ///     somebody.send_to(b"what time is it?", transport.sockname().unwrap())?;
    ///     assert_eq!((&clock.asked).co_await()?, b"what time is it?");
    ///     transport.close();
    ///     Ok(())
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn create_datagram_endpoint<F, P>(&self, factory: F) -> CreateDatagramEndpoint<F>
    where
        F: FnOnce() -> P,
        P: DatagramProtocol,
    {
        CreateDatagramEndpoint {
            core: Rc::clone(&self.core),
            factory,
            local: None,
            remote: None,
            socket: None,
            reuse_port: false,
            allow_broadcast: false,
        }
    }
}
