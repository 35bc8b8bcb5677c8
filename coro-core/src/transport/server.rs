//! [`Server`]: sockets that listen, and the transports of those who came.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::io;
use std::net::SocketAddr;
use std::rc::{Rc, Weak};

use super::Object;
use super::channel::{Channel, TransportSocket};
use super::protocol::{Protocol, call, tell};
use super::socket::SocketTransport;
use super::watch::{Watch, WhenReady};
use crate::async_context::AsyncContextManager;
use crate::context::Context;
use crate::coroutine::{Awaitable, Coroutine, suspend};
use crate::definition::Definition;
use crate::error::{Error, Result, RuntimeError};
use crate::events::{EventLoop, LoopCore, Resource};
use crate::fiber::Awaited;
use crate::future::Future;
use crate::io::{Io, Side};
use crate::net::patience::{REST, is_out_of_room};

pub(super) type Factory = Rc<dyn Fn() -> Rc<dyn Protocol>>;

/// Sockets that listen; `asyncio.Server`, what [`start_server`](crate::start_server) and its like give. A clone is
/// another handle on it.
///
/// It serves until it is closed, also when no handle is left. As a context manager it is closed at the end, and its
/// clients are waited for.
///
/// ```
/// use coro_core::{StreamReader, StreamWriter, open_connection, start_server, prelude::*};
/// async_fn! {
///     async fn echo(mut reader: StreamReader, writer: StreamWriter) {
///         let line = await!(reader.readline());
///         writer.write(&line)?;
///         await!(writer.drain());
///     }
///     async fn program() -> Vec<u8> {
///         let mut answer = Vec::new();
///         async with await!(start_server(echo, "127.0.0.1:0")) as server {
///             let (mut reader, writer) = await!(open_connection(server.local_addrs()[0]));
///             writer.write(b"hello\n")?;
///             answer = await!(reader.readline());
///             writer.close();
///         }
///         answer
///     }
/// }
/// assert_eq!(coro_core::run(program())?, b"hello\n");
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone)]
pub struct Server {
    pub(super) inner: Rc<Listening>,
}

pub(super) struct Listening {
    core: Rc<LoopCore>,
    /// None when it is closed.
    listeners: RefCell<Option<Vec<Rc<Listener>>>>,
    clients: RefCell<BTreeMap<u64, Weak<dyn Object>>>,
    next_client: Cell<u64>,
    /// None when it is closed and the last client has gone.
    waiters: RefCell<Option<Vec<Future<()>>>>,
    factory: Factory,
    backlog: i32,
    serving: Cell<bool>,
    forever: RefCell<Option<Future<()>>>,
    resource: Cell<Option<usize>>,
}

struct Listener {
    io: Rc<Io<Channel>>,
    watch: Watch,
    server: Weak<Listening>,
    #[cfg(unix)]
    path: Option<BoundPath>,
}

/// Where a Unix socket was bound: it is removed at the end, unless somebody else is there by then.
#[cfg(unix)]
pub(super) struct BoundPath {
    path: std::path::PathBuf,
    inode: u64,
}

#[cfg(unix)]
impl BoundPath {
    /// What `socket` is bound to, if that is a path.
    pub(super) fn of(socket: &socket2::Socket) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;
        let path = super::channel::path_of(&socket.local_addr().ok()?)?;
        let inode = std::fs::metadata(&path).ok()?.ino();
        Some(Self { path, inode })
    }

    fn remove(&self) {
        use std::os::unix::fs::MetadataExt;
        let removed = match std::fs::metadata(&self.path) {
            Ok(found) if found.ino() == self.inode => std::fs::remove_file(&self.path),
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = removed.or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        }) {
            let path = self.path.display();
            crate::report::error(format_args!("Unable to clean up listening UNIX socket {path}: {error}"));
        }
    }
}

/// A socket that is bound and does not listen yet.
pub(super) struct Bound {
    pub(super) socket: socket2::Socket,
    #[cfg(unix)]
    pub(super) path: Option<BoundPath>,
}

impl Server {
    pub(super) fn new(core: &Rc<LoopCore>, sockets: Vec<Bound>, factory: Factory, backlog: i32) -> Self {
        let context = Context::copied();
        let inner = Rc::new_cyclic(|server: &Weak<Listening>| {
            let listener = |bound: Bound| {
                Rc::new(Listener {
                    io: Rc::new(Io::new(Channel::Listener(bound.socket))),
                    watch: Watch::new(Side::Read, &context),
                    server: server.clone(),
                    #[cfg(unix)]
                    path: bound.path,
                })
            };
            Listening {
                core: Rc::clone(core),
                listeners: RefCell::new(Some(sockets.into_iter().map(listener).collect())),
                clients: RefCell::default(),
                next_client: Cell::new(0),
                waiters: RefCell::new(Some(Vec::new())),
                factory,
                backlog,
                serving: Cell::new(false),
                forever: RefCell::default(),
                resource: Cell::new(None),
            }
        });
        let resource = Rc::downgrade(&(Rc::clone(&inner) as Rc<dyn Resource>));
        inner.resource.set(Some(core.resources.borrow_mut().insert(resource)));
        Self { inner }
    }

    /// Starts to listen, and gives the loop a round to begin with it.
    pub(super) fn begin(&self) -> Result<()> {
        self.inner.start()?;
        suspend(Awaited::Yield).map(drop)
    }
}

/// The examples of this file have a `server`.
macro_rules! example {
    ($($line:literal),+) => {
        concat!(
            "```\n# use coro_core::{open_connection, start_server, prelude::*};\n",
            "# coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {\n",
            "# let server = start_server(|_, _| coroutine(|| Ok(())), \"127.0.0.1:0\").co_await()?;\n",
            $($line, "\n",)+
            "# Ok(())\n# })).unwrap();\n```"
        )
    };
}

impl Server {
    /// Whether it accepts connections.
    ///
    #[doc = example!("assert!(server.is_serving());", "server.close();", "assert!(!server.is_serving());")]
    pub fn is_serving(&self) -> bool {
        self.inner.serving.get()
    }

    /// The loop it belongs to.
    ///
    #[doc = example!("assert!(server.get_loop().same(&get_running_loop()?));")]
    pub fn get_loop(&self) -> EventLoop {
        self.inner.core.handle()
    }

    /// Its sockets; none when it is closed.
    ///
    #[doc = example!("assert_eq!(server.sockets().len(), 1);")]
    pub fn sockets(&self) -> Vec<TransportSocket> {
        let listeners = self.inner.listeners.borrow();
        let socket = |listener: &Rc<Listener>| TransportSocket { io: Rc::clone(&listener.io) };
        listeners.iter().flatten().map(socket).collect()
    }

    /// The addresses at which it listens, those of the internet; none when it is closed.
    ///
    #[doc = example!("let (_reader, writer) = open_connection(server.local_addrs()[0]).co_await()?;", "writer.close();")]
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.sockets().iter().filter_map(TransportSocket::local_addr).collect()
    }

    /// Accepts no more connections; those that are there go on. Closing twice is fine.
    ///
    /// Who waits in [`serve_forever`](Self::serve_forever) is cancelled.
    ///
    #[doc = example!("server.close();", "assert!(server.sockets().is_empty());")]
    pub fn close(&self) {
        self.inner.close();
    }

    /// Closes the transports of all clients: what waits to be written to them is written.
    ///
    #[doc = example!("server.close();", "server.close_clients();", "server.wait_closed().co_await()?;")]
    pub fn close_clients(&self) {
        self.inner.clients().iter().for_each(|client| client.close());
    }

    /// Ends the transports of all clients at once.
    ///
    #[doc = example!("server.close();", "server.abort_clients();", "server.wait_closed().co_await()?;")]
    pub fn abort_clients(&self) {
        self.inner.clients().iter().for_each(|client| client.abort(None));
    }

    /// Begins to accept connections, if it was made not to; does nothing if it does so already.
    ///
    /// # Errors
    /// When awaited: the system's.
    ///
    /// # Cancellation
    /// It has begun all the same.
    ///
    #[doc = example!("server.start_serving().co_await()?; // it did so already")]
    #[track_caller]
    pub fn start_serving(&self) -> Coroutine<impl FnOnce() -> Result<()> + use<>> {
        static DEFINITION: Definition = Definition::new("Server.start_serving", file!(), line!());
        let server = self.clone();
        Coroutine::named(&DEFINITION, move || server.begin())
    }

    /// Accepts connections until the server is closed or this is cancelled, which closes it and waits for its clients.
    ///
    /// # Errors
    /// When awaited: [`RuntimeError`] if it is closed, or somebody awaits this already; the system's;
    /// [`Cancelled`](crate::Cancelled), which is also the end if somebody closes the server.
    ///
    /// # Cancellation
    /// The server is closed; the clients are waited for. A second cancellation ends that wait, and is what is raised.
    ///
    #[doc = example!("let serving = create_task(server.serve_forever());", "sleep(secs(3600)).co_await()?;",
        "serving.cancel();", "assert!(serving.co_await().unwrap_err().is_cancelled());")]
    #[track_caller]
    pub fn serve_forever(&self) -> Coroutine<impl FnOnce() -> Result<()> + use<>> {
        static DEFINITION: Definition = Definition::new("Server.serve_forever", file!(), line!());
        let server = self.clone();
        Coroutine::named(&DEFINITION, move || server.serve())
    }

    fn serve(&self) -> Result<()> {
        let inner = &self.inner;
        if inner.forever.borrow().is_some() {
            let message = format!("server {self:?} is already being awaited on serve_forever()");
            return Err(RuntimeError::new(message).into());
        }
        if inner.listeners.borrow().is_none() {
            return Err(closed());
        }
        inner.start()?;
        let forever = Future::on(Rc::clone(&inner.core));
        inner.forever.replace(Some(forever.clone()));
        let mut result = (&forever).co_await();
        if result.as_ref().is_err_and(Error::is_cancelled) {
            self.close();
            // A second cancellation ends the wait, and is what goes on.
            result = self.wait().and(result);
        }
        inner.forever.replace(None);
        result
    }

    /// Waits until the server is closed and all its clients have gone.
    ///
    /// # Errors
    /// When awaited: [`RuntimeError`](crate::RuntimeError) if it must wait where nothing can suspend.
    ///
    /// # Cancellation
    /// Nothing is lost: it can be awaited again.
    ///
    #[doc = example!("server.close();", "server.wait_closed().co_await()?;")]
    #[track_caller]
    pub fn wait_closed(&self) -> Coroutine<impl FnOnce() -> Result<()> + use<>> {
        static DEFINITION: Definition = Definition::new("Server.wait_closed", file!(), line!());
        let server = self.clone();
        Coroutine::named(&DEFINITION, move || server.wait())
    }

    fn wait(&self) -> Result<()> {
        let waiter = match &mut *self.inner.waiters.borrow_mut() {
            None => return Ok(()),
            Some(waiters) => {
                let waiter = Future::on(Rc::clone(&self.inner.core));
                waiters.push(waiter.clone());
                waiter
            }
        };
        waiter.co_await()
    }
}

impl AsyncContextManager for Server {
    type Value = Server;

    fn aenter(&mut self) -> Result<Server> {
        Ok(self.clone())
    }

    fn aexit(&mut self, _error: Option<&Error>) -> Result<bool> {
        self.close();
        self.wait()?;
        Ok(false)
    }
}

impl Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<Server sockets={:?}>", self.sockets())
    }
}

fn closed() -> Error {
    RuntimeError::new("server <Server sockets=[]> is closed").into()
}

/// That a transport is a client of a server, until this is dropped.
pub(super) struct Attached {
    server: Rc<Listening>,
    client: u64,
}

impl Attached {
    pub(super) fn new(server: &Rc<Listening>, transport: &Rc<dyn Object>) -> Self {
        let client = server.next_client.get();
        server.next_client.set(client + 1);
        server.clients.borrow_mut().insert(client, Rc::downgrade(transport));
        Self { server: Rc::clone(server), client }
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.server.clients.borrow_mut().remove(&self.client);
        self.server.wake_if_over();
    }
}

impl Listening {
    fn clients(&self) -> Vec<Rc<dyn Object>> {
        self.clients.borrow().values().filter_map(Weak::upgrade).collect()
    }

    fn start(&self) -> Result<()> {
        let listeners = self.listeners.borrow().clone();
        let Some(listeners) = listeners else {
            return Err(closed());
        };
        if self.serving.replace(true) {
            return Ok(());
        }
        for listener in listeners {
            if let Channel::Listener(socket) = listener.io.get() {
                socket.listen(self.backlog)?;
            }
            listener.accept_on()?;
        }
        Ok(())
    }

    fn close(&self) {
        let Some(listeners) = self.listeners.take() else { return };
        for listener in listeners {
            listener.watch.disarm();
            // What closing says is of no use to anybody.
            let _ = listener.io.close();
            #[cfg(unix)]
            listener.path.iter().for_each(BoundPath::remove);
        }
        self.serving.set(false);
        let forever = self.forever.take();
        if let Some(forever) = forever {
            forever.cancel();
        }
        self.wake_if_over();
    }

    /// Wakes who waits for the end, if it has come.
    fn wake_if_over(&self) {
        if self.listeners.borrow().is_none() && self.clients.borrow().is_empty() {
            let waiters = self.waiters.take();
            for waiter in waiters.into_iter().flatten() {
                let _ = waiter.settle_value(()); // who waited may have been cancelled
            }
        }
    }
}

impl Resource for Listening {
    fn loop_closed(self: Rc<Self>) {
        if self.serving.get() {
            self.core.report_unclosed(format_args!("{:?}", Server { inner: Rc::clone(&self) }));
        }
        self.close();
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        if let Some(resource) = self.resource.get() {
            // None on a loop that was closed.
            let _ = self.core.resources.borrow_mut().try_remove(resource);
        }
    }
}

/// A listener that waits for clients. It keeps the server alive.
struct Accepting {
    listener: Rc<Listener>,
    server: Rc<Listening>,
}

impl Listener {
    /// Waits for the next client.
    fn accept_on(self: &Rc<Self>) -> io::Result<()> {
        let Some(server) = self.server.upgrade() else { return Ok(()) };
        let core = Rc::clone(&server.core);
        self.watch.arm(&core, &self.io, Rc::new(Accepting { listener: Rc::clone(self), server }))
    }
}

impl WhenReady for Accepting {
    fn ready(self: Rc<Self>, _: Side) {
        let Self { listener, server } = &*self;
        let Channel::Listener(socket) = listener.io.get() else { return };
        for _ in 0..server.backlog {
            let accepted =
                socket.accept().and_then(|(client, _)| client.set_nonblocking(true).map(|()| client));
            match accepted {
                Ok(client) => server.welcome(client),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    listener.io.note_blocked(&server.core, Side::Read, false);
                    break;
                }
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted
                    ) =>
                {
                    break;
                }
                Err(error) if is_out_of_room(&error) => return self.accept_later(error),
                Err(error) => {
                    tell(&server.core, "Exception in callback Server.accept()", error.into());
                    break;
                }
            }
        }
        self.accept_again();
    }
}

impl Accepting {
    fn accept_again(&self) {
        if self.server.serving.get()
            && let Err(error) = self.listener.accept_on()
        {
            tell(&self.server.core, "Exception in callback Server.accept()", error.into());
        }
    }

    /// The system has no room for one more client: later it may have.
    fn accept_later(self: &Rc<Self>, error: io::Error) {
        tell(&self.server.core, "socket.accept() out of system resource", error.into());
        let this = Rc::clone(self);
        self.server.core.handle().call_later(REST, move || this.accept_again());
    }
}

impl Listening {
    /// Gives a client a protocol and a transport, in a task as CPython does.
    fn welcome(self: &Rc<Self>, client: socket2::Socket) {
        static DEFINITION: Definition = Definition::new("Server.accept_connection", file!(), line!());
        let server = Rc::clone(self);
        self.core.handle().create_task(Coroutine::named(&DEFINITION, move || {
            if let Err(error) = server.connect(client)
                && !error.is_cancelled()
            {
                tell(&server.core, "Error on transport creation for incoming connection", error);
            }
            Ok(())
        }));
    }

    fn connect(self: &Rc<Self>, client: socket2::Socket) -> Result<()> {
        let protocol = call(|| (self.factory)())?;
        if self.listeners.borrow().is_none() {
            return Ok(()); // closed meanwhile: so is the client
        }
        let made = Future::on(Rc::clone(&self.core));
        let io = Rc::new(Io::new(Channel::Socket(client)));
        let transport = SocketTransport::start(&self.core, io, protocol, Some(self), made.clone());
        let result = made.wait_done();
        if result.is_err() {
            transport.handle().close();
        }
        result
    }
}
