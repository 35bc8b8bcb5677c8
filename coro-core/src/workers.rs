//! [`Workers`]: one loop for each core, all serving one address.
//!
//! Floor: the top. Each worker is a thread with a loop and a listener of its own. What they share is the handler, and
//! two channels that are closed when they are to end.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt::{self, Debug};
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use crate::async_iter::AsyncIterator;
use crate::channel::{Closed, Receiver, Sender, bounded, unbounded};
use crate::combinators::{race, secs, wait_for};
use crate::coroutine::{Awaitable, BoxCoroutine, coroutine};
use crate::error::{Error, Panicked, Result};
use crate::event_loop::LoopBuilder;
use crate::events::{ExceptionContext, running_core};
use crate::in_place::{Place, place};
use crate::net::{TcpListener, TcpStream};
use crate::runner::RunBuilder;
use crate::signal::{SignalKind, Signals};
use crate::sync::Notify;
use crate::task::{AnyTask, cleanup, create_task};

/// How long connections may go on after the workers were told to end.
const DRAIN: Duration = secs(30);

/// How many connections may wait to be accepted, for each worker.
const BACKLOG: u32 = 1024;

/// Says how a server on several cores is to run.
///
/// ```
/// use coro_core::{Workers, net::TcpStream, prelude::*};
/// use std::io::{BufRead, BufReader, Read, Write};
///
/// let echo = |stream: TcpStream, _peer| -> Result<()> {
///     for line in BufReader::new(&stream).lines() {
///         writeln!(&stream, "echo {}", line?)?;
///     }
///     Ok(())
/// };
/// let serving = Workers::new(2).start("127.0.0.1:0", echo)?;
/// let stream = TcpStream::connect(serving.local_addr())?;
/// writeln!(&stream, "eggs")?;
/// stream.shutdown(std::net::Shutdown::Write)?;
/// let mut answer = String::new();
/// (&stream).read_to_string(&mut answer)?;
/// assert_eq!(answer, "echo eggs\n");
/// serving.shut_down();
/// serving.wait()?;
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "workers do nothing until they are started"]
pub struct Workers {
    count: usize,
    drain: Duration,
    event_loop: LoopBuilder,
    shared_listener: bool,
    backlog: u32,
}

impl Workers {
    /// So many threads, each with a loop; 0 stands for one for each core.
    ///
    /// ```
    /// let workers = coro_core::Workers::new(0);
    /// # drop(workers);
    /// ```
    pub fn new(count: usize) -> Self {
        let count = match count {
            0 => thread::available_parallelism().map_or(1, usize::from),
            count => count,
        };
        let event_loop = LoopBuilder::new();
        Self { count, drain: DRAIN, event_loop, shared_listener: !HAS_REUSE_PORT, backlog: BACKLOG }
    }

    /// How long connections may go on when the workers are told to end; 30 seconds if nothing is said. What is left then
    /// is cancelled, and waited for.
    ///
    /// ```
    /// # use coro_core::{Workers, secs};
    /// let workers = Workers::new(2).drain_timeout(secs(5));
    /// # drop(workers);
    /// ```
    pub fn drain_timeout(mut self, timeout: Duration) -> Self {
        self.drain = timeout;
        self
    }

    /// The loop of each worker.
    ///
    /// ```
    /// # use coro_core::{LoopBuilder, Workers};
    /// let workers = Workers::new(2).event_loop(LoopBuilder::new().stack_size(64 * 1024));
    /// # drop(workers);
    /// ```
    pub fn event_loop(mut self, builder: LoopBuilder) -> Self {
        self.event_loop = builder;
        self
    }

    /// Whether all workers accept from one listener, as they do where the system has no `SO_REUSEPORT` that spreads
    /// connections. With it, the default on Linux and FreeBSD, each has its own: a connection costs no wake-up of the
    /// others, but long ones may be spread unevenly.
    ///
    /// ```
    /// # use coro_core::Workers;
    /// let workers = Workers::new(2).shared_listener(true);
    /// # drop(workers);
    /// ```
    pub fn shared_listener(mut self, on: bool) -> Self {
        self.shared_listener = on || !HAS_REUSE_PORT;
        self
    }

    /// How many connections may wait to be accepted, for each listener; 1024 if nothing is said.
    ///
    /// ```
    /// # use coro_core::Workers;
    /// let workers = Workers::new(2).backlog(128);
    /// # drop(workers);
    /// ```
    pub fn backlog(mut self, connections: u32) -> Self {
        self.backlog = connections;
        self
    }

    /// Serves `address` until a SIGINT or SIGTERM comes: then no more connections are accepted, those that are open may
    /// end, and it returns. A second signal cancels them.
    ///
    /// Each connection is a task of one of the loops, in which `handler` runs. What it raises is told to the exception
    /// handler of that loop, and ends its connection alone. When the system has no file descriptor or memory for one more
    /// connection, that handler is told once, and the worker rests for a second and tries again.
    ///
    /// In a task it suspends, and the signals come to that task's loop. Elsewhere it blocks.
    ///
    /// # Errors
    /// As [`start`](Self::start); what a worker ends with: then the others are told to end too.
    ///
    /// # Cancellation
    /// The connections are cancelled, and all workers have ended when it returns.
    ///
    /// ```no_run
    /// use coro_core::{Workers, net::TcpStream, prelude::*};
    /// use std::io::Write;
    /// Workers::new(0).serve("0.0.0.0:8000", |stream: TcpStream, peer| {
    ///     writeln!(&stream, "hello {peer}")?;
    ///     Ok(())
    /// })?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn serve<H>(self, address: impl ToSocketAddrs, handler: H) -> Result<()>
    where
        H: Fn(TcpStream, SocketAddr) -> Result<()> + Send + Sync + 'static,
    {
        let serve = move || {
            // Signals are heard before anybody can be served.
            let signals = Signals::new([SignalKind::interrupt(), SignalKind::terminate()])?;
            self.start(address, handler)?.wait_for_signals(signals)
        };
        match place()? {
            Place::Task(_) => serve(),
            Place::Thread => RunBuilder::new().handle_interrupts(false).run(coroutine(serve)),
        }
    }

    /// Starts to serve `address`, and returns when all workers listen.
    ///
    /// # Errors
    /// What the system says if the address cannot be had, or a thread or a loop.
    ///
    /// ```
    /// # use coro_core::{Workers, prelude::*};
    /// let serving = Workers::new(2).start("127.0.0.1:0", |_, _| Ok(()))?;
    /// assert_ne!(serving.local_addr().port(), 0);
    /// serving.shut_down();
    /// serving.wait()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn start<H>(self, address: impl ToSocketAddrs, handler: H) -> Result<Serving>
    where
        H: Fn(TcpStream, SocketAddr) -> Result<()> + Send + Sync + 'static,
    {
        let listeners = self.listen(address)?;
        let local_addr = listeners[0].local_addr()?;
        let handler = Arc::new(handler);
        let ((draining, drain), (aborting, abort)) = (bounded(1), bounded(1));
        let (ready, readies) = unbounded();
        let (end, ended) = unbounded();
        let mut serving = Serving { local_addr, draining, aborting, ended, threads: Vec::new() };
        for (number, listener) in listeners.into_iter().enumerate() {
            let orders = Orders { drain: drain.clone(), abort: abort.clone(), patience: self.drain };
            let (handler, event_loop) = (Arc::clone(&handler), self.event_loop);
            let (ready, end) = (ready.clone(), end.clone());
            let work = move || {
                let builder = RunBuilder::new().event_loop(event_loop).handle_interrupts(false);
                let main = coroutine(move || {
                    let listener = TcpListener::from_std(listener)?;
                    // Nobody listens any more if another worker could not begin.
                    let _ = ready.send(());
                    work(listener, handler, &orders)
                });
                let result = catch_unwind(AssertUnwindSafe(|| builder.run(main)));
                // Nobody waits any more if the handle was dropped.
                let _ = end.send(());
                result.unwrap_or_else(|payload| Err(Error::new(Panicked::new(payload))))
            };
            let name = format!("coro-worker-{number}");
            serving.threads.push(thread::Builder::new().name(name).spawn(work)?);
        }
        drop(ready);
        for _ in 0..self.count {
            if let Err(error) = readies.recv() {
                // One has ended before it could listen, and says why; or this task is cancelled.
                serving.abort();
                cleanup(|| serving.wait())?;
                return Err(error);
            }
        }
        Ok(serving)
    }

    /// A listener for each worker, all with one address.
    fn listen(&self, address: impl ToSocketAddrs) -> io::Result<Vec<std::net::TcpListener>> {
        let mut last = io::Error::new(io::ErrorKind::InvalidInput, "the address names no socket address");
        for address in address.to_socket_addrs()? {
            match self.listen_at(address) {
                Ok(listeners) => return Ok(listeners),
                Err(error) => last = io::Error::new(error.kind(), format!("{address}: {error}")),
            }
        }
        Err(last)
    }

    fn listen_at(&self, address: SocketAddr) -> io::Result<Vec<std::net::TcpListener>> {
        let first = self.listener(address)?;
        let address = first.local_addr()?; // with the port that was given for port 0
        let mut listeners = vec![first];
        while listeners.len() < self.count {
            listeners.push(match self.shared_listener {
                true => listeners[0].try_clone()?,
                false => self.listener(address)?,
            });
        }
        Ok(listeners)
    }

    fn listener(&self, address: SocketAddr) -> io::Result<std::net::TcpListener> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        // As std does: elsewhere it means another thing.
        #[cfg(unix)]
        socket.set_reuse_address(true)?;
        if !self.shared_listener {
            spread(&socket)?;
        }
        socket.bind(&address.into())?;
        socket.listen(self.backlog.try_into().unwrap_or(i32::MAX))?;
        Ok(socket.into())
    }
}

/// Whether connections can be spread over several listeners with one address.
const HAS_REUSE_PORT: bool = cfg!(any(target_os = "linux", target_os = "android", target_os = "freebsd"));

#[cfg(any(target_os = "linux", target_os = "android"))]
fn spread(socket: &Socket) -> io::Result<()> {
    socket.set_reuse_port(true)
}

#[cfg(target_os = "freebsd")]
fn spread(socket: &Socket) -> io::Result<()> {
    socket.set_reuse_port_lb(true)
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
fn spread(_: &Socket) -> io::Result<()> {
    Ok(())
}

/// Workers that serve. Dropping it tells them to end, without waiting for that.
///
/// ```
/// # use coro_core::{Serving, Workers, prelude::*};
/// let serving: Serving = Workers::new(1).start("127.0.0.1:0", |_, _| Ok(()))?;
/// drop(serving);
/// # Ok::<(), Error>(())
/// ```
pub struct Serving {
    local_addr: SocketAddr,
    draining: Sender<Infallible>,
    aborting: Sender<Infallible>,
    ended: Receiver<()>,
    threads: Vec<JoinHandle<Result<()>>>,
}

impl Serving {
    /// The address that is served.
    ///
    /// ```
    /// # use coro_core::{Workers, prelude::*};
    /// let serving = Workers::new(1).start("127.0.0.1:0", |_, _| Ok(()))?;
    /// assert!(serving.local_addr().ip().is_loopback());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Tells the workers to accept no more, and to end when their connections have; see
    /// [`Workers::drain_timeout`].
    ///
    /// ```
    /// # use coro_core::{Workers, prelude::*};
    /// let serving = Workers::new(1).start("127.0.0.1:0", |_, _| Ok(()))?;
    /// serving.shut_down();
    /// serving.wait()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn shut_down(&self) {
        self.draining.close();
    }

    /// Tells the workers to end now: their connections are cancelled.
    ///
    /// ```
    /// # use coro_core::{Workers, net::TcpStream, prelude::*};
    /// let forever = |_stream, _peer| sleep(secs(1_000_000)).co_await();
    /// let serving = Workers::new(1).start("127.0.0.1:0", forever)?;
    /// let _client = TcpStream::connect(serving.local_addr())?;
    /// serving.abort();
    /// serving.wait()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn abort(&self) {
        self.aborting.close();
        self.draining.close();
    }

    /// Waits until all workers have ended: the task suspends, or the thread blocks. If one ends with an error, the others
    /// are told to end.
    ///
    /// # Errors
    /// The first that a worker ended with; [`Panicked`] if its thread panicked.
    ///
    /// # Cancellation
    /// The workers are told to end, and are left alone.
    ///
    /// ```
    /// # use coro_core::{Workers, prelude::*};
    /// let serving = Workers::new(2).start("127.0.0.1:0", |_, _| Ok(()))?;
    /// serving.shut_down();
    /// serving.wait()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn wait(mut self) -> Result<()> {
        self.wait_for_end()
    }

    fn wait_for_end(&mut self) -> Result<()> {
        for _ in 0..self.threads.len() {
            self.ended.recv()?;
            self.shut_down();
        }
        let mut first = Ok(());
        // All have said that they end: this takes no time.
        for thread in self.threads.drain(..) {
            let result = thread.join().unwrap_or_else(|payload| Err(Error::new(Panicked::new(payload))));
            first = first.and(result);
        }
        first
    }

    /// Waits until all workers have ended, and tells them to when a signal comes.
    fn wait_for_signals(mut self, mut signals: Signals) -> Result<()> {
        let (draining, aborting) = (self.draining.clone(), self.aborting.clone());
        let listener = create_task(coroutine(move || {
            signals.anext()?;
            draining.close();
            signals.anext()?;
            aborting.close();
            Ok(())
        }));
        let result = self.wait_for_end();
        listener.cancel();
        if self.threads.is_empty() {
            return result;
        }
        self.abort();
        cleanup(|| self.wait_for_end()).and(result)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.shut_down();
    }
}

impl Debug for Serving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<Serving {} workers={}>", self.local_addr, self.threads.len())
    }
}

/// What a worker is told from outside.
struct Orders {
    /// Closed when it is to accept no more.
    drain: Receiver<Infallible>,
    /// Closed when it is to cancel what is left.
    abort: Receiver<Infallible>,
    /// How long connections may go on between the two.
    patience: Duration,
}

/// Waits until a channel on which nothing is sent is closed.
fn wait_until_closed(channel: &Receiver<Infallible>) -> Result<()> {
    match channel.recv() {
        Err(error) if error.is::<Closed>() => Ok(()),
        Err(error) => Err(error),
        Ok(never) => match never {},
    }
}

/// The main task of a worker.
fn work<H>(listener: TcpListener, handler: Arc<H>, orders: &Orders) -> Result<()>
where
    H: Fn(TcpStream, SocketAddr) -> Result<()> + Send + Sync + 'static,
{
    let clients = Rc::new(Clients::default());
    let accepting: BoxCoroutine<()> = coroutine({
        let clients = Rc::clone(&clients);
        move || {
            loop {
                let (stream, peer) = listener.accept_patiently()?;
                clients.begin(peer, {
                    let handler = Arc::clone(&handler);
                    move || handler(stream, peer)
                });
            }
        }
    })
    .boxed();
    let drain = orders.drain.clone();
    let told: BoxCoroutine<()> = coroutine(move || wait_until_closed(&drain)).boxed();
    // The listener is closed when this returns.
    let result = race([told, accepting]).co_await();
    let ended = clients.end(orders);
    result.and(ended)
}

/// The connections of a worker.
#[derive(Default)]
struct Clients {
    tasks: RefCell<BTreeMap<u64, AnyTask>>,
    made: Cell<u64>,
    /// Told when the last is gone.
    gone: Notify,
}

impl Clients {
    fn begin(self: &Rc<Self>, peer: SocketAddr, handler: impl FnOnce() -> Result<()> + 'static) {
        let number = self.made.get() + 1;
        self.made.set(number);
        let task = create_task(coroutine(handler));
        self.tasks.borrow_mut().insert(number, task.any_task());
        let clients = Rc::clone(self);
        task.add_done_callback(move |task| {
            let entry = clients.tasks.borrow_mut().remove(&number);
            drop(entry);
            if clients.tasks.borrow().is_empty() {
                clients.gone.notify_waiters();
            }
            // A cancelled one has no exception to tell of.
            if let (Ok(Some(error)), Ok(core)) = (task.exception(), running_core()) {
                core.call_exception_handler(&ExceptionContext {
                    message: format!("Unhandled exception in the connection with {peer}"),
                    exception: Some(error),
                    future: Some(format!("{task:?}")),
                    handle: None,
                });
            }
        });
    }

    fn wait_until_gone(&self) -> Result<()> {
        while !self.tasks.borrow().is_empty() {
            self.gone.notified().co_await()?;
        }
        Ok(())
    }

    /// Waits for all, and cancels those that take too long.
    fn end(self: &Rc<Self>, orders: &Orders) -> Result<()> {
        let (clients, abort) = (Rc::clone(self), orders.abort.clone());
        let gone = coroutine(move || clients.wait_until_gone()).boxed();
        let aborted = coroutine(move || wait_until_closed(&abort)).boxed();
        match wait_for(race([gone, aborted]), orders.patience).co_await() {
            Err(error) if !error.is_timeout() => return Err(error),
            _ => {}
        }
        let tasks: Vec<AnyTask> = self.tasks.borrow().values().cloned().collect();
        tasks.iter().for_each(|task| {
            task.cancel();
        });
        self.wait_until_gone()
    }
}
