//! The loop's methods that make transports: `create_connection`, `create_server`, and those for sockets and pipes.

use std::fmt::{self, Debug};
use std::io;
use std::net::SocketAddr;
#[cfg(unix)]
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;

use socket2::Socket;

use super::Transport;
use super::channel::Channel;
use super::protocol::Protocol;
use super::server::{Factory, Server};
use super::socket::SocketTransport;
use super::target::{ConnectTarget, Connected, Listeners, ServeTarget};
#[cfg(unix)]
use super::{pipe::PipeTransport, target::UnixPath};
use crate::compat::into_future;
#[cfg(unix)]
use crate::coroutine::Coroutine;
use crate::coroutine::{Awaitable, Origins};
use crate::definition::{Definition, Origin};
use crate::dns::ToAddresses;
use crate::error::{Error, ErrorGroup, Result, io_context};
use crate::events::{EventLoop, LoopCore, Runnable, running_core};
use crate::future::Future;
use crate::io::{Io, Side};
use crate::net::attempts::{Outcome, all_failed, in_turn, interleave, outcome, staggered};
use crate::net::connect::{is_under_way, stream_socket};

/// Hidden: how to connect.
#[doc(hidden)]
#[derive(Default)]
pub struct ConnectOptions {
    pub(crate) local: Option<Box<dyn ToAddresses>>,
    pub(crate) all_errors: bool,
    pub(crate) happy_eyeballs_delay: Option<Duration>,
    pub(crate) interleave: Option<usize>,
}

/// Hidden: how to listen.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct ServeOptions {
    backlog: i32,
    pub(super) reuse_address: bool,
    pub(super) reuse_port: bool,
    pub(super) keep_alive: bool,
    pub(super) cleanup_socket: bool,
    start_serving: bool,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            backlog: 100,
            reuse_address: cfg!(unix),
            reuse_port: false,
            keep_alive: false,
            cleanup_socket: true,
            start_serving: true,
        }
    }
}

/// Connects to the first of `addresses` that lets it.
pub(super) fn connect(addresses: Vec<SocketAddr>, options: &ConnectOptions) -> Result<Rc<Io<Channel>>> {
    static DEFINITION: Definition = Definition::new("create_connection", file!(), line!());
    let local = options.local.as_ref().map(|local| local.to_addresses()).transpose()?;
    let delay = options.happy_eyeballs_delay;
    let addresses = interleave(addresses, options.interleave.unwrap_or(usize::from(delay.is_some())));
    let attempt = move |address| connect_one(address, local.as_deref());
    let connected = match delay {
        None => in_turn(addresses, attempt),
        Some(delay) => staggered(&DEFINITION, delay, addresses, attempt),
    };
    connected?.map_err(|failures| match options.all_errors && !failures.is_empty() {
        true => ErrorGroup::new("create_connection failed", failures).into(),
        false => all_failed(failures),
    })
}

fn connect_one(address: SocketAddr, local: Option<&[SocketAddr]>) -> Result<Outcome<Rc<Io<Channel>>>> {
    let mut failures = Vec::new();
    let connected = outcome(connect_from(local, address, &mut failures))?;
    Ok(connected.map_err(|last| {
        failures.extend(last);
        failures
    }))
}

/// Connects to `address`. `failures` are those of local addresses that it could not connect from.
fn connect_from(
    local: Option<&[SocketAddr]>,
    address: SocketAddr,
    failures: &mut Vec<Error>,
) -> Result<Rc<Io<Channel>>> {
    let socket = stream_socket(address)?;
    if let Some(local) = local {
        bind_to_one(&socket, address, local, failures)?;
    }
    let context = |error: io::Error| io_context(error, address);
    match socket.connect(&address.into()) {
        Err(error) if is_under_way(&error) => {}
        result => result.map_err(context)?,
    }
    let io = Rc::new(Io::new(Channel::Socket(socket)));
    wait_connected(&io)?.map_err(context)?;
    io.note_connected();
    Ok(io)
}

/// Gives `socket` one of the local addresses that are of the family of `remote`. The last failure is raised, those before
/// it are put into `failures`.
fn bind_to_one(
    socket: &Socket,
    remote: SocketAddr,
    local: &[SocketAddr],
    failures: &mut Vec<Error>,
) -> Result<()> {
    for &address in local.iter().filter(|local| local.is_ipv4() == remote.is_ipv4()) {
        match socket.bind(&address.into()) {
            Ok(()) => return Ok(()),
            Err(error) => {
                let what = format!("error while attempting to bind on address {address}");
                failures.push(io_context(error, what).into());
            }
        }
    }
    let none =
        || io::Error::new(io::ErrorKind::InvalidInput, format!("no matching local address for {remote}"));
    Err(failures.pop().unwrap_or_else(|| none().into()))
}

/// Settles a future when a socket is ready.
struct Settle(Future<()>);

impl Runnable for Settle {
    fn run(self: Rc<Self>, _: &Rc<LoopCore>) {
        let _ = self.0.settle_value(()); // who waited may have been cancelled
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<Handle of a connection that is made>")
    }
}

/// Waits until `io` is connected. As in CPython the loop is told first, and the task in the round after.
fn wait_connected(io: &Io<Channel>) -> Result<io::Result<()>> {
    let core = running_core()?;
    let Channel::Socket(socket) = io.get() else { return Ok(Ok(())) };
    loop {
        let ready = Future::on(Rc::clone(&core));
        let armed = io.when_ready(&core, Side::Write, Rc::new(Settle(ready.clone())))?;
        ready.wait_done()?;
        drop(armed);
        match (socket.take_error()?, socket.peer_addr()) {
            (Some(error), _) => return Ok(Err(error)),
            // Not yet: it was woken for another reason.
            (None, Err(error)) if error.kind() == io::ErrorKind::NotConnected => {
                io.note_blocked(&core, Side::Write, false);
            }
            (None, result) => return Ok(result.map(drop)),
        }
    }
}

/// Makes the transport of a channel and waits until its protocol was told.
fn make<P: Protocol>(
    core: &Rc<LoopCore>,
    factory: impl FnOnce() -> P,
    start: impl FnOnce(Rc<dyn Protocol>, Future<()>) -> Transport,
) -> Result<(Transport, Rc<P>)> {
    let protocol = Rc::new(factory());
    let made = Future::on(Rc::clone(core));
    let transport = start(Rc::clone(&protocol) as Rc<dyn Protocol>, made.clone());
    match made.wait_done() {
        Ok(()) => Ok((transport, protocol)),
        Err(error) => {
            transport.close();
            Err(error)
        }
    }
}

/// What [`EventLoop::create_connection`] and [`EventLoop::create_unix_connection`] return.
///
/// ```
/// use coro_core::{Protocol, prelude::*};
/// struct Quiet;
/// impl Protocol for Quiet {}
/// coro_core::run(coroutine(|| {
///     let connecting = get_running_loop()?.create_connection(|| Quiet, "127.0.0.1:1").all_errors();
///     let error = connecting.co_await().err().unwrap();
///     assert_eq!(error.errors().len(), 1);
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
#[must_use = "it connects only when it is awaited"]
pub struct CreateConnection<F, T> {
    core: Rc<LoopCore>,
    factory: F,
    target: T,
    options: ConnectOptions,
}

/// An example with the `address` of a listener, two addresses of `nobody`, and `several` of both, in which a connection
/// is begun by `$begin`, the target, and the rest of the first line.
macro_rules! connect_example {
    ($begin:literal, $rest:literal $(, $line:literal)*) => {
        concat!(
            "```\n# use coro_core::{Protocol, open_connection, prelude::*};\n# struct Quiet;\n",
            "# impl Protocol for Quiet {}\n# coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {\n",
            "# let listener = std::net::TcpListener::bind(\"127.0.0.1:0\")?;\n",
            "# let address = listener.local_addr()?;\n",
            "# let nobody: [std::net::SocketAddr; 2] = [\"127.0.0.1:1\".parse()?, \"127.0.0.1:2\".parse()?];\n",
            "# let several = [nobody[0], address];\n",
            "let connecting = ", $begin, $rest, "\n", $($line, "\n",)*
            "# Ok(())\n# })).unwrap();\n```"
        )
    };
}
pub(crate) use connect_example;

/// How a connection is made: methods of every builder that has such `options`.
macro_rules! connect_options {
    ([$($parameters:tt)*] $type:ty, $begin:literal) => {
        impl<$($parameters)*> $type {
            /// Connects from this address; `local_addr=`. Of several, the first of the other side's family that is free
            /// is taken.
            ///
            #[doc = $crate::transport::connect_example!($begin, "address).local_addr(\"127.0.0.1:0\");",
                "assert!(connecting.co_await().is_ok());")]
            pub fn local_addr(mut self, address: impl $crate::dns::ToAddresses + 'static) -> Self {
                self.options.local = Some(Box::new(address));
                self
            }

            /// If nothing can be connected to, raises an [`ErrorGroup`](crate::ErrorGroup) of all that was said;
            /// `all_errors=True`.
            ///
            #[doc = $crate::transport::connect_example!($begin, "&nobody[..]).all_errors();",
                "assert_eq!(connecting.co_await().err().unwrap().errors().len(), 2);")]
            pub fn all_errors(mut self) -> Self {
                self.options.all_errors = true;
                self
            }

            /// Does not wait for one address longer than this before it tries the next one as well;
            /// `happy_eyeballs_delay=`. RFC 8305 recommends 250 ms.
            ///
            /// Each attempt has a task of its own, which begins when the attempt before has failed or this time has
            /// passed. The first connection is taken; the other attempts are cancelled, and their sockets closed, before
            /// this returns. The families of addresses take turns, unless [`interleave`](Self::interleave) says
            /// otherwise.
            ///
            /// If nothing is said, one address after the other is tried, each until the system gives it up.
            ///
            #[doc = $crate::transport::connect_example!($begin,
                "&several[..]).happy_eyeballs_delay(millis(250));",
                "assert!(connecting.co_await().is_ok());")]
            pub fn happy_eyeballs_delay(mut self, delay: std::time::Duration) -> Self {
                self.options.happy_eyeballs_delay = Some(delay);
                self
            }

            /// Tries so many addresses of the first one's family, and then the families in turn; `interleave=`. With 0
            /// the order is that of the addresses.
            ///
            /// If nothing is said, it is 1 with [`happy_eyeballs_delay`](Self::happy_eyeballs_delay), and else 0.
            ///
            #[doc = $crate::transport::connect_example!($begin,
                "&several[..]).happy_eyeballs_delay(millis(250)).interleave(2);",
                "assert!(connecting.co_await().is_ok());")]
            pub fn interleave(mut self, count: usize) -> Self {
                self.options.interleave = Some(count);
                self
            }
        }
    };
}
pub(crate) use connect_options;

connect_options!([F, T: ToAddresses] CreateConnection<F, T>, "get_running_loop()?.create_connection(|| Quiet, ");

impl<F, T> CreateConnection<F, T> {
    pub(crate) fn with_options(self, options: ConnectOptions) -> Self {
        Self { options, ..self }
    }

    #[cfg(feature = "tls")]
    pub(crate) fn core(&self) -> &Rc<LoopCore> {
        &self.core
    }

    /// The same with another factory.
    #[cfg(feature = "tls")]
    pub(crate) fn with_factory<G>(self, change: impl FnOnce(F) -> G) -> CreateConnection<G, T> {
        let Self { core, factory, target, options } = self;
        CreateConnection { core, factory: change(factory), target, options }
    }
}

impl<F, T, P> Awaitable for CreateConnection<F, T>
where
    F: FnOnce() -> P,
    T: ConnectTarget,
    P: Protocol,
{
    type Output = (Transport, Rc<P>);

    fn co_await(self) -> Result<(Transport, Rc<P>)> {
        let Self { core, factory, target, options } = self;
        let Connected(io) = target.__connect(&options)?;
        make(&core, factory, |protocol, made| {
            SocketTransport::start(&core, io, protocol, None, made).handle()
        })
    }

    fn __origin(&self) -> Origins {
        Origins(Origin::named(|| "create_connection"))
    }
}

/// What [`EventLoop::create_server`] and [`EventLoop::create_unix_server`] return.
///
/// ```
/// use coro_core::{Protocol, prelude::*};
/// struct Quiet;
/// impl Protocol for Quiet {}
/// coro_core::run(coroutine(|| {
///     let server = get_running_loop()?.create_server(|| Quiet, "127.0.0.1:0").backlog(5).co_await()?;
///     server.close();
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
#[must_use = "it listens only when it is awaited"]
pub struct CreateServer<T> {
    core: Rc<LoopCore>,
    factory: Factory,
    target: T,
    options: ServeOptions,
}

/// An example in which a server is made by `serving`.
macro_rules! serve_example {
    ($make:literal, $($line:literal),+) => {
        concat!(
            "```\n# use coro_core::{Protocol, start_server, prelude::*};\n# struct Quiet;\n# impl Protocol for Quiet {}\n",
            "# coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {\n",
            $make, "\n", $($line, "\n",)+
            "server.close();\n# Ok(())\n# })).unwrap();\n```"
        )
    };
}
pub(crate) use serve_example;

/// How a server listens: methods of every builder that has such `options`.
macro_rules! serve_options {
    ([$($parameters:tt)*] $type:ty, $make:literal) => {
        impl<$($parameters)*> $type {
            /// How many connections may wait to be accepted: 100 if nothing is said. 0 stands for 1.
            ///
            #[doc = $crate::transport::serve_example!($make, "let server = serving.backlog(5).co_await()?;")]
            pub fn backlog(mut self, count: u32) -> Self {
                self.options.set_backlog(count);
                self
            }

            /// Whether it listens at once, which it does if nothing is said; else
            /// [`Server::start_serving`](crate::Server::start_serving) begins.
            ///
            #[doc = $crate::transport::serve_example!($make,
                "let server = serving.start_serving(false).co_await()?;",
                "assert!(!server.is_serving());")]
            pub fn start_serving(mut self, on: bool) -> Self {
                self.options.set_start_serving(on);
                self
            }

            /// Whether the address may be one that was in use a moment ago: true on Unix if nothing is said.
            ///
            #[doc = $crate::transport::serve_example!($make, "let server = serving.reuse_address(false).co_await()?;")]
            pub fn reuse_address(mut self, on: bool) -> Self {
                self.options.set_reuse_address(on);
                self
            }

            /// Whether several may listen at the address, who all ask for it, and share what comes.
            ///
            #[doc = $crate::transport::serve_example!($make, "let server = serving.reuse_port(true).co_await()?;")]
            pub fn reuse_port(mut self, on: bool) -> Self {
                self.options.set_reuse_port(on);
                self
            }

            /// Whether connections that are silent are probed from time to time.
            ///
            #[doc = $crate::transport::serve_example!($make, "let server = serving.keep_alive(true).co_await()?;")]
            pub fn keep_alive(mut self, on: bool) -> Self {
                self.options.set_keep_alive(on);
                self
            }

            /// Whether the path of a Unix socket is removed when the server closes, which it is if nothing is said.
            ///
            #[doc = $crate::transport::serve_example!($make, "let server = serving.cleanup_socket(false).co_await()?;")]
            pub fn cleanup_socket(mut self, on: bool) -> Self {
                self.options.set_cleanup_socket(on);
                self
            }
        }
    };
}

pub(crate) use serve_options;

impl ServeOptions {
    pub(crate) fn set_backlog(&mut self, count: u32) {
        self.backlog = i32::try_from(count).unwrap_or(i32::MAX).max(1); // so many are accepted in a round
    }

    pub(crate) fn set_start_serving(&mut self, on: bool) {
        self.start_serving = on;
    }

    pub(crate) fn set_reuse_address(&mut self, on: bool) {
        self.reuse_address = on;
    }

    pub(crate) fn set_reuse_port(&mut self, on: bool) {
        self.reuse_port = on;
    }

    pub(crate) fn set_keep_alive(&mut self, on: bool) {
        self.keep_alive = on;
    }

    pub(crate) fn set_cleanup_socket(&mut self, on: bool) {
        self.cleanup_socket = on;
    }
}

serve_options!([T] CreateServer<T>, "let serving = get_running_loop()?.create_server(|| Quiet, \"127.0.0.1:0\");");

#[cfg(feature = "tls")]
impl<T> CreateServer<T> {
    pub(crate) fn core(&self) -> &Rc<LoopCore> {
        &self.core
    }

    /// The same with another factory.
    pub(crate) fn with_factory(mut self, change: impl FnOnce(Factory) -> Factory) -> Self {
        self.factory = change(self.factory);
        self
    }
}

impl<T: ServeTarget> Awaitable for CreateServer<T> {
    type Output = Server;

    fn co_await(self) -> Result<Server> {
        serve(&self.core, self.factory, self.target, &self.options)
    }

    fn __origin(&self) -> Origins {
        Origins(Origin::named(|| "create_server"))
    }
}

/// Makes a server.
pub(crate) fn serve(
    core: &Rc<LoopCore>,
    factory: Factory,
    target: impl ServeTarget,
    options: &ServeOptions,
) -> Result<Server> {
    let Listeners(sockets) = target.__bind(options)?;
    core.check_open()?;
    let server = Server::new(core, sockets, factory, options.backlog);
    if options.start_serving
        && let Err(error) = server.begin()
    {
        server.close();
        return Err(error);
    }
    Ok(server)
}

into_future! {
    [F: FnOnce() -> P + 'static, T: ConnectTarget + 'static, P: Protocol] CreateConnection<F, T> => (Transport, Rc<P>);
    [T: ServeTarget + 'static] CreateServer<T> => Server;
}

impl<F, T> Debug for CreateConnection<F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<CreateConnection>")
    }
}

impl<T> Debug for CreateServer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<CreateServer>")
    }
}

impl EventLoop {
    /// Connects, and tells the events of the connection to the protocol that `factory` makes;
    /// `loop.create_connection(factory, host, port)`.
    ///
    /// Awaited, it gives the transport and the protocol, when [`connection_made`](Protocol::connection_made) was called. Of
    /// several addresses the first that can be connected to is taken; they are tried one after the other, or with
    /// [`happy_eyeballs_delay`](CreateConnection::happy_eyeballs_delay) several at once.
    ///
    /// # Errors
    /// When awaited: the system's, with the address in front; of several addresses that fail, one error that says
    /// "Multiple exceptions: …", or an [`ErrorGroup`] with [`all_errors`](CreateConnection::all_errors); those of
    /// [`ToAddresses`].
    ///
    /// # Cancellation
    /// The sockets are closed.
    ///
    /// ```
    /// use coro_core::{Future, Protocol, Transport, prelude::*};
    /// struct Ask { answer: Future<Vec<u8>> }
    /// impl Protocol for Ask {
    ///     fn connection_made(&self, transport: &Transport) {
    ///         transport.write(b"eggs?").unwrap();
    ///     }
    ///     fn data_received(&self, data: &[u8]) {
    ///         let _ = self.answer.set_result(data.to_vec());
    ///     }
    /// }
    /// # use std::io::{Read, Write};
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let address = listener.local_addr()?;
    /// # let server = std::thread::spawn(move || -> std::io::Result<()> {
    /// #     let (mut stream, _) = listener.accept()?;
    /// #     stream.read_exact(&mut [0; 5])?;
    /// #     stream.write_all(b"six")
    /// # });
    /// coro_core::run(coroutine(move || {
    ///     let ask = || Ask { answer: Future::new() };
    ///     let (transport, ask) = get_running_loop()?.create_connection(ask, address).co_await()?;
    ///     assert_eq!((&ask.answer).co_await()?, b"six");
    ///     transport.close();
    ///     Ok(())
    /// }))?;
    /// # server.join().unwrap()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn create_connection<F, T, P>(&self, factory: F, target: T) -> CreateConnection<F, T>
    where
        F: FnOnce() -> P,
        T: ConnectTarget,
        P: Protocol,
    {
        CreateConnection { core: Rc::clone(&self.core), factory, target, options: ConnectOptions::default() }
    }

    /// Connects to a Unix socket; `loop.create_unix_connection()`. Otherwise it is as
    /// [`create_connection`](Self::create_connection).
    ///
    /// # Errors
    /// When awaited: the system's, with the path in front.
    ///
    /// # Cancellation
    /// The socket is closed.
    ///
    /// ```
    /// use coro_core::{Protocol, prelude::*};
    /// struct Quiet;
    /// impl Protocol for Quiet {}
    /// coro_core::run(coroutine(|| {
    ///     let connecting = get_running_loop()?.create_unix_connection(|| Quiet, "/no/such/socket");
    ///     assert!(connecting.co_await().is_err());
    ///     Ok(())
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    #[cfg(unix)]
    pub fn create_unix_connection<F, P>(
        &self,
        factory: F,
        path: impl AsRef<std::path::Path>,
    ) -> CreateConnection<F, UnixPath>
    where
        F: FnOnce() -> P,
        P: Protocol,
    {
        self.create_connection(factory, UnixPath::new(path))
    }

    /// Listens, and gives each client a protocol made by `factory`; `loop.create_server(factory, host, port)`.
    ///
    /// A name is listened at with all its addresses. The server goes on until it is closed.
    ///
    /// # Errors
    /// When awaited: the system's, with the address in front; those of [`ToAddresses`]. A panic of `factory` is told to
    /// the exception handler, and the client sent away.
    ///
    /// # Cancellation
    /// The sockets are closed.
    ///
    /// ```
    /// use coro_core::{Protocol, Transport, open_connection, prelude::*};
    /// struct Greet;
    /// impl Protocol for Greet {
    ///     fn connection_made(&self, transport: &Transport) {
    ///         transport.write(b"good morning\n").unwrap();
    ///         transport.close();
    ///     }
    /// }
    /// coro_core::run(coroutine(|| {
    ///     let server = get_running_loop()?.create_server(|| Greet, "127.0.0.1:0").co_await()?;
    ///     let (mut reader, _writer) = open_connection(server.local_addrs()[0]).co_await()?;
    ///     assert_eq!(reader.readline().co_await()?, b"good morning\n");
    ///     server.close();
    ///     Ok(())
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn create_server<F, T, P>(&self, factory: F, target: T) -> CreateServer<T>
    where
        F: Fn() -> P + 'static,
        T: ServeTarget,
        P: Protocol,
    {
        let factory: Factory = Rc::new(move || Rc::new(factory()) as Rc<dyn Protocol>);
        CreateServer { core: Rc::clone(&self.core), factory, target, options: ServeOptions::default() }
    }

    /// Listens at a Unix socket; `loop.create_unix_server()`. Otherwise it is as [`create_server`](Self::create_server).
    ///
    /// A socket that is there already is replaced. Closing the server removes it, unless somebody else has replaced it.
    ///
    /// # Errors
    /// When awaited: the system's, with the path in front.
    ///
    /// # Cancellation
    /// The socket is closed.
    ///
    /// ```
    /// use coro_core::{Protocol, prelude::*};
    /// struct Quiet;
    /// impl Protocol for Quiet {}
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("socket");
    /// coro_core::run(coroutine(|| {
    ///     let server = get_running_loop()?.create_unix_server(|| Quiet, &path).co_await()?;
    ///     assert!(path.exists());
    ///     server.close();
    ///     assert!(!path.exists());
    ///     Ok(())
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    #[cfg(unix)]
    pub fn create_unix_server<F, P>(
        &self,
        factory: F,
        path: impl AsRef<std::path::Path>,
    ) -> CreateServer<UnixPath>
    where
        F: Fn() -> P + 'static,
        P: Protocol,
    {
        self.create_server(factory, UnixPath::new(path))
    }

    /// Makes a transport of a connection that was accepted elsewhere; `loop.connect_accepted_socket(factory, sock)`.
    ///
    /// # Errors
    /// When awaited: the system's.
    ///
    /// # Cancellation
    /// The socket is closed.
    ///
    /// ```
    /// use coro_core::{Protocol, prelude::*};
    /// struct Quiet;
    /// impl Protocol for Quiet {}
    /// coro_core::run(coroutine(|| {
    ///     let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    ///     let _client = std::net::TcpStream::connect(listener.local_addr()?)?;
    ///     let (socket, address) = listener.accept()?;
    ///     let (transport, _) = get_running_loop()?.connect_accepted_socket(|| Quiet, socket).co_await()?;
    ///     assert_eq!(transport.peername(), Some(address));
    ///     transport.close();
    ///     Ok(())
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn connect_accepted_socket<F, T, P>(&self, factory: F, socket: T) -> CreateConnection<F, T>
    where
        F: FnOnce() -> P,
        T: ConnectTarget,
        P: Protocol,
    {
        self.create_connection(factory, socket)
    }

    /// Reads from a pipe; `loop.connect_read_pipe(factory, pipe)`. A socket or a terminal will do as well. It is made
    /// not to block, and closed at its end.
    ///
    /// # Errors
    /// When awaited: [`ValueError`](crate::ValueError) for a file or another thing that is always ready; the system's.
    ///
    /// # Cancellation
    /// The pipe is closed.
    ///
    /// ```
    /// use coro_core::{StreamReader, StreamReaderProtocol, prelude::*};
    /// use std::io::Write;
    /// coro_core::run(coroutine(|| {
    ///     let (end, mut other_end) = std::io::pipe()?;
    ///     let mut reader = StreamReader::new();
    ///     let protocol = StreamReaderProtocol::new(&reader);
    ///     let (_transport, _protocol) = get_running_loop()?.connect_read_pipe(|| protocol, end).co_await()?;
    ///     other_end.write_all(b"through a pipe\n")?;
    ///     assert_eq!(reader.readline().co_await()?, b"through a pipe\n");
    ///     Ok(())
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    #[cfg(unix)]
    #[track_caller]
    pub fn connect_read_pipe<F, P>(
        &self,
        factory: F,
        pipe: impl TryInto<OwnedFd, Error: Into<Error>>,
    ) -> Coroutine<impl FnOnce() -> Result<(Transport, Rc<P>)>>
    where
        F: FnOnce() -> P,
        P: Protocol,
    {
        static DEFINITION: Definition = Definition::new("EventLoop::connect_read_pipe", file!(), line!());
        self.connect_pipe(&DEFINITION, factory, pipe.try_into().map_err(Into::into), Side::Read)
    }

    /// Writes to a pipe; `loop.connect_write_pipe(factory, pipe)`. A socket or a terminal will do as well. It is made not
    /// to block, and closed when nobody reads from it any more.
    ///
    /// # Errors
    /// As [`connect_read_pipe`](Self::connect_read_pipe).
    ///
    /// # Cancellation
    /// The pipe is closed.
    ///
    /// ```
    /// use coro_core::{Protocol, prelude::*};
    /// use std::io::Read;
    /// struct Quiet;
    /// impl Protocol for Quiet {}
    /// coro_core::run(coroutine(|| {
    ///     let (mut other_end, end) = std::io::pipe()?;
    ///     let (transport, _) = get_running_loop()?.connect_write_pipe(|| Quiet, end).co_await()?;
    ///     transport.write(b"through a pipe")?;
    ///     let mut text = [0; 14];
    ///     other_end.read_exact(&mut text)?;
    ///     assert_eq!(&text, b"through a pipe");
    ///     transport.close();
    ///     Ok(())
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    #[cfg(unix)]
    #[track_caller]
    pub fn connect_write_pipe<F, P>(
        &self,
        factory: F,
        pipe: impl TryInto<OwnedFd, Error: Into<Error>>,
    ) -> Coroutine<impl FnOnce() -> Result<(Transport, Rc<P>)>>
    where
        F: FnOnce() -> P,
        P: Protocol,
    {
        static DEFINITION: Definition = Definition::new("EventLoop::connect_write_pipe", file!(), line!());
        self.connect_pipe(&DEFINITION, factory, pipe.try_into().map_err(Into::into), Side::Write)
    }

    #[cfg(unix)]
    #[track_caller]
    fn connect_pipe<F, P>(
        &self,
        definition: &'static Definition,
        factory: F,
        pipe: Result<OwnedFd>,
        side: Side,
    ) -> Coroutine<impl FnOnce() -> Result<(Transport, Rc<P>)> + use<F, P>>
    where
        F: FnOnce() -> P,
        P: Protocol,
    {
        let core = Rc::clone(&self.core);
        Coroutine::named(definition, move || {
            core.check_open()?;
            let (channel, watches) = pipe_channel(pipe?, side)?;
            let io = Rc::new(Io::new(channel));
            make(&core, factory, |protocol, made| {
                PipeTransport::start(&core, io, (side, watches), protocol, made).handle()
            })
        })
    }
}

/// What a pipe is read or written by, and whether what comes from it tells something.
#[cfg(unix)]
fn pipe_channel(pipe: OwnedFd, side: Side) -> Result<(Channel, bool)> {
    use std::os::unix::fs::FileTypeExt;
    rustix::io::ioctl_fionbio(&pipe, true).map_err(io::Error::from)?;
    let file = std::fs::File::from(pipe);
    let kind = file.metadata()?.file_type();
    if !(kind.is_fifo() || kind.is_socket() || kind.is_char_device()) {
        let message = match side {
            Side::Read => "Pipe transport is for pipes/sockets only.",
            Side::Write => "Pipe transport is only for pipes, sockets and character devices",
        };
        return Err(crate::error::ValueError::new(message).into());
    }
    // A terminal that is written to does not tell when nobody reads.
    Ok((Channel::Pipe(file), side == Side::Read || !kind.is_char_device()))
}
