//! [`DatagramTransport`]: a socket of datagrams; CPython's `_SelectorDatagramTransport`.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt::{self, Debug};
use std::io;
use std::net::SocketAddr;
use std::rc::{Rc, Weak};

use super::channel::{Channel, TransportSocket, with_scratch};
use super::link::Link;
use super::protocol::{DatagramProtocol, call_back};
use super::socket::{is_retry, settle_soon};
use super::watch::{WhenReady, soon};
use crate::error::{Error, Result, ValueError};
use crate::events::{LoopCore, Resource};
use crate::future::Future;
use crate::io::{Io, Side};

/// What a datagram counts for besides its bytes while it waits.
const HEADER: usize = 8;

/// A socket of datagrams with a [`DatagramProtocol`]; `asyncio.DatagramTransport`. A clone is another handle on it.
///
/// It stays open until it is closed, however many handles there are.
///
/// ```
/// use coro_core::{DatagramProtocol, prelude::*};
/// struct Silent;
/// impl DatagramProtocol for Silent {}
/// coro_core::run(coroutine(|| {
///     let endpoint = get_running_loop()?.create_datagram_endpoint(|| Silent).local_addr("127.0.0.1:0");
///     let (transport, _protocol) = endpoint.co_await()?;
///     assert!(transport.sockname().unwrap().port() > 0);
///     transport.close();
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone)]
pub struct DatagramTransport {
    inner: Rc<Inner>,
}

/// A datagram that could not be sent at once, and where it goes.
type Waiting = (Box<[u8]>, Option<SocketAddr>);

struct Inner {
    me: Weak<Self>,
    link: Link<dyn DatagramProtocol>,
    /// Where everything goes, if that was said at the start.
    remote: Option<SocketAddr>,
    out: RefCell<VecDeque<Waiting>>,
    size: Cell<usize>,
}

/// The examples of this file have a `transport`, on which nothing waits.
macro_rules! example {
    ($($line:literal),+) => {
        concat!(
            "```\n# use coro_core::{DatagramProtocol, prelude::*};\n# struct Silent;\n# impl DatagramProtocol for Silent {}\n",
            "# coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {\n",
            "# let endpoint = get_running_loop()?.create_datagram_endpoint(|| Silent).local_addr(\"127.0.0.1:0\");\n",
            "# let (transport, protocol) = endpoint.co_await()?;\n",
            $($line, "\n",)+
            "# transport.close();\n# Ok(())\n# })).unwrap();\n```"
        )
    };
}

impl DatagramTransport {
    pub(super) fn start(
        core: &Rc<LoopCore>,
        io: Rc<Io<Channel>>,
        remote: Option<SocketAddr>,
        protocol: Rc<dyn DatagramProtocol>,
        made: Future<()>,
    ) -> Self {
        let inner = Rc::new_cyclic(|me: &Weak<Inner>| {
            let owner = me.clone() as Weak<dyn Resource>;
            let link = Link::new(core, io, Rc::clone(&protocol), owner);
            Inner { me: me.clone(), link, remote, out: RefCell::default(), size: Cell::new(0) }
        });
        let this = Self { inner };
        let (transport, name) = (this.clone(), "DatagramProtocol::connection_made");
        soon(core, name, move || {
            call_back(&transport.inner.link.core, name, || protocol.connection_made(&transport));
        });
        let reader = Rc::clone(&this.inner);
        soon(core, "add_reader", move || reader.read_on());
        settle_soon(core, made);
        this
    }

    /// Sends a datagram: to `address`, or to the one that the socket was made for. What cannot be sent now is kept, and
    /// sent later.
    ///
    /// What the system has against it is told to [`error_received`](DatagramProtocol::error_received).
    ///
    /// # Errors
    /// [`ValueError`] without an address, or with another one than the socket was made for.
    ///
    #[doc = example!("transport.sendto(b\"to myself\", transport.sockname())?;",
        "assert!(transport.sendto(b\"to whom?\", None).is_err());")]
    pub fn sendto(&self, data: &[u8], address: Option<SocketAddr>) -> Result<()> {
        self.inner.send(data, address)
    }

    /// Closes it when everything was sent, and then tells the protocol.
    ///
    #[doc = example!("transport.close();", "assert!(transport.is_closing());")]
    pub fn close(&self) {
        self.inner.close();
    }

    /// Closes it now: what waits to be sent is dropped.
    ///
    #[doc = example!("transport.abort();", "assert!(transport.is_closing());")]
    pub fn abort(&self) {
        self.inner.force_close(None);
    }

    /// Whether it is closed, or will be.
    ///
    #[doc = example!("assert!(!transport.is_closing());")]
    pub fn is_closing(&self) -> bool {
        self.inner.link.closing.get()
    }

    /// How many bytes wait to be sent, with eight more for each datagram.
    ///
    #[doc = example!("assert_eq!(transport.get_write_buffer_size(), 0);")]
    pub fn get_write_buffer_size(&self) -> usize {
        self.inner.size.get()
    }

    /// The limits of flow control: the lower one, then the upper one.
    ///
    #[doc = example!("assert_eq!(transport.get_write_buffer_limits(), (16 * 1024, 64 * 1024));")]
    pub fn get_write_buffer_limits(&self) -> (usize, usize) {
        self.inner.link.flow.limits()
    }

    /// Sets the limits of flow control, as [`Transport::set_write_buffer_limits`](super::Transport::set_write_buffer_limits).
    ///
    /// # Errors
    /// [`ValueError`] if `low` is above `high`.
    ///
    #[doc = example!("transport.set_write_buffer_limits(Some(1000), None)?;",
        "assert_eq!(transport.get_write_buffer_limits(), (250, 1000));")]
    pub fn set_write_buffer_limits(&self, high: Option<usize>, low: Option<usize>) -> Result<()> {
        self.inner.link.flow.set_limits(high, low)?;
        self.inner.link.maybe_pause(self.inner.size.get(), |protocol| protocol.pause_writing());
        Ok(())
    }

    /// Its own address.
    ///
    #[doc = example!("assert!(transport.sockname().is_some());")]
    pub fn sockname(&self) -> Option<SocketAddr> {
        self.inner.link.sockname
    }

    /// The address that it is connected to, if it is.
    ///
    #[doc = example!("assert_eq!(transport.peername(), None);")]
    pub fn peername(&self) -> Option<SocketAddr> {
        self.inner.link.peername
    }

    /// The socket, until it is closed.
    ///
    #[doc = example!("assert_eq!(transport.socket().unwrap().local_addr(), transport.sockname());")]
    pub fn socket(&self) -> Option<TransportSocket> {
        self.inner.link.socket()
    }

    /// The protocol, until the socket is closed. It can be cast to `Rc<dyn Any>`.
    ///
    #[doc = example!("assert!(std::rc::Rc::ptr_eq(&transport.get_protocol().unwrap(), &(protocol as _)));")]
    pub fn get_protocol(&self) -> Option<Rc<dyn DatagramProtocol>> {
        self.inner.link.protocol()
    }
}

impl Inner {
    fn read_on(&self) {
        let (Some(this), Some(io), true) = (self.me.upgrade(), self.link.io(), self.link.is_reading()) else {
            return;
        };
        if let Err(error) = self.link.reading.arm(&self.link.core, &io, this) {
            self.fatal_error(error.into());
        }
    }

    fn write_on(&self) {
        let (Some(this), Some(io)) = (self.me.upgrade(), self.link.io()) else { return };
        if let Err(error) = self.link.writing.arm(&self.link.core, &io, this) {
            self.fatal_error(error.into());
        }
    }

    fn read_ready(&self) {
        let Some(io) = self.link.io().filter(|_| self.link.lost.get() == 0) else { return };
        with_scratch(|buffer| {
            let Channel::Datagrams(socket) = io.get() else { return };
            match socket.recv_from(buffer) {
                Ok((count, from)) => {
                    drop(io);
                    self.tell("DatagramProtocol::datagram_received", |protocol| {
                        protocol.datagram_received(&buffer[..count], from);
                    });
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    io.note_blocked(&self.link.core, Side::Read, false);
                }
                Err(error) if is_retry(&error) => {}
                Err(error) => self.error_received(error),
            }
        });
        self.read_on();
    }

    fn tell(&self, name: &str, method: impl FnOnce(&dyn DatagramProtocol)) {
        if let Some(protocol) = self.link.protocol() {
            call_back(&self.link.core, name, || method(&*protocol));
        }
    }

    fn error_received(&self, error: io::Error) {
        self.tell("DatagramProtocol::error_received", |protocol| protocol.error_received(error.into()));
    }

    fn send(&self, data: &[u8], address: Option<SocketAddr>) -> Result<()> {
        let address = match (self.remote, address) {
            (Some(remote), Some(other)) if other != remote => {
                return Err(ValueError::new(format!("Invalid address: must be None or {remote}")).into());
            }
            (Some(remote), _) => Some(remote),
            (None, None) if self.link.peername.is_none() => {
                return Err(ValueError::new("an address is needed: the socket has none to send to").into());
            }
            (None, address) => address,
        };
        if self.link.ignores_writes("socket.send() raised exception.", false) {
            return Ok(());
        }
        if self.out.borrow().is_empty() {
            match self.send_now(data, address) {
                Ok(()) => return Ok(()),
                Err(error) if is_retry(&error) => self.write_on(),
                Err(error) => {
                    self.error_received(error);
                    return Ok(());
                }
            }
        }
        self.out.borrow_mut().push_back((data.into(), address));
        self.size.set(self.size.get() + data.len() + HEADER);
        self.link.maybe_pause(self.size.get(), |protocol| protocol.pause_writing());
        Ok(())
    }

    fn send_now(&self, data: &[u8], address: Option<SocketAddr>) -> io::Result<()> {
        let Some(io) = self.link.io() else { return Ok(()) };
        let Channel::Datagrams(socket) = io.get() else { return Ok(()) };
        let sent = match address.filter(|_| self.link.peername.is_none()) {
            Some(address) => socket.send_to(data, address),
            None => socket.send(data),
        };
        if let Err(error) = &sent
            && error.kind() == io::ErrorKind::WouldBlock
        {
            io.note_blocked(&self.link.core, Side::Write, false);
        }
        sent.map(drop)
    }

    fn write_ready(&self) {
        loop {
            let Some((data, address)) = self.out.borrow_mut().pop_front() else { break };
            let size = data.len() + HEADER;
            match self.send_now(&data, address) {
                Err(error) if is_retry(&error) => {
                    self.out.borrow_mut().push_front((data, address));
                    break;
                }
                result => {
                    self.size.set(self.size.get() - size);
                    if let Err(error) = result {
                        self.error_received(error); // which may send, or close
                    }
                }
            }
        }
        self.link.maybe_resume(self.size.get(), |protocol| protocol.resume_writing());
        if !self.out.borrow().is_empty() {
            self.write_on();
        } else if self.link.closing.get() && self.link.lost.get() == 0 {
            self.lose(None);
        }
    }

    fn close(&self) {
        if self.link.closing.replace(true) {
            return;
        }
        self.link.reading.disarm();
        if self.out.borrow().is_empty() {
            self.link.writing.disarm();
            self.lose_soon(None);
        }
    }

    fn fatal_error(&self, error: Error) {
        self.link.report(self, "Fatal error on transport", &error, error.is::<io::Error>());
        self.force_close(Some(error));
    }

    fn force_close(&self, error: Option<Error>) {
        if self.link.lost.get() > 0 {
            return;
        }
        self.out.borrow_mut().clear();
        self.size.set(0);
        self.link.writing.disarm();
        self.link.closing.set(true);
        self.link.reading.disarm();
        self.lose_soon(error);
    }

    fn lose_soon(&self, error: Option<Error>) {
        self.link.lost.set(self.link.lost.get() + 1);
        if let Some(this) = self.me.upgrade() {
            soon(&self.link.core, "DatagramProtocol::connection_lost", move || this.lose(error));
        }
    }

    fn lose(&self, error: Option<Error>) {
        self.tell("DatagramProtocol::connection_lost", |protocol| protocol.connection_lost(error));
        self.link.release();
    }
}

impl WhenReady for Inner {
    fn ready(self: Rc<Self>, side: Side) {
        match side {
            Side::Read => self.read_ready(),
            Side::Write => self.write_ready(),
        }
    }
}

impl Resource for Inner {
    fn loop_closed(self: Rc<Self>) {
        self.link.abandon(&*self);
    }
}

impl Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.link.describe(f, "DatagramTransport", Some(self.size.get()))
    }
}

impl Debug for DatagramTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Debug::fmt(&self.inner, f)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.link.abandon(self);
    }
}
