//! [`SubprocessTransport`]: a child, its pipes and its end, told to callbacks; asyncio's `base_subprocess`.
//!
//! The steps, and the rounds in which they are taken, are CPython's. The loop holds a transport until its child has ended
//! and its pipes are closed.
//!
//! 1. What is told before the pipes are connected waits until the protocol knows of the transport.
//! 2. `connection_lost` comes when the child has ended and all pipes are closed; who waits is woken after it.
//! 3. Closing kills the child.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt::{self, Debug};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use crate::coroutine::{Awaitable, Coroutine};
use crate::definition::Definition;
use crate::error::{Error, Result};
use crate::events::{LoopCore, Resource, Runnable};
use crate::future::Future;
use crate::io::{Armed, Io, Side};
use crate::report;
use crate::signal::SignalKind;
use crate::task::create_task;
use crate::transport::{Protocol, Transport};

use super::ProcessLookupError;
use super::running::{End, Running};
use super::spawn::{Pipes, Spawned};

/// What is told of a child process; `asyncio.SubprocessProtocol`. Every method may be left out.
///
/// The methods are called by the loop, one at a time, and cannot await. They take `&self`, as those of [`Protocol`] do.
/// Pipes are named by the child's numbers: 0 for its standard input, 1 for its output, 2 for its error output.
///
/// ```
/// use coro_core::process::{SubprocessProtocol, SubprocessTransport};
/// use coro_core::{Future, prelude::*};
/// use std::cell::RefCell;
///
/// struct Collect { output: RefCell<Vec<u8>>, ended: Future<()> }
/// impl SubprocessProtocol for Collect {
///     fn pipe_data_received(&self, fd: u32, data: &[u8]) {
///         assert_eq!(fd, 1);
///         self.output.borrow_mut().extend(data);
///     }
///     fn connection_lost(&self, _error: Option<Error>) {
///         let _ = self.ended.set_result(());
///     }
/// }
/// coro_core::run(coroutine(|| {
///     let collect = || Collect { output: RefCell::default(), ended: Future::new() };
///     let (transport, protocol) = get_running_loop()?.subprocess_exec(collect, "echo", ["egg"]).co_await()?;
///     (&protocol.ended).co_await()?;
///     assert_eq!(*protocol.output.borrow(), b"egg\n");
///     assert_eq!(transport.get_returncode(), Some(0));
///     transport.close();
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
pub trait SubprocessProtocol: Any {
    /// The child was started, and its pipes are connected. Called once, before all others.
    fn connection_made(&self, transport: &SubprocessTransport) {
        let _ = transport;
    }

    /// The child has written something to its output, or its error output.
    fn pipe_data_received(&self, fd: u32, data: &[u8]) {
        let _ = (fd, data);
    }

    /// A pipe was closed, by the child or by this side; with the error that ended it, if there was one.
    fn pipe_connection_lost(&self, fd: u32, error: Option<Error>) {
        let _ = (fd, error);
    }

    /// The child has ended. What it wrote may still be on its way.
    fn process_exited(&self) {}

    /// The child has ended and all pipes are closed. Called once, as the last.
    fn connection_lost(&self, error: Option<Error>) {
        let _ = error;
    }

    /// More waits to be written to the child's input than the limit: better write no more for now.
    fn pause_writing(&self) {}

    /// What waits to be written has become little.
    fn resume_writing(&self) {}
}

/// A child process with a [`SubprocessProtocol`]; `asyncio.SubprocessTransport`. A clone is another handle on it.
///
/// The loop holds it until the child has ended and its pipes are closed. A loop that is closed before kills the child.
///
/// ```
/// use coro_core::process::{SubprocessProtocol, SubprocessTransport};
/// use coro_core::prelude::*;
/// struct Quiet;
/// impl SubprocessProtocol for Quiet {}
/// coro_core::run(coroutine(|| {
///     let (transport, _) = get_running_loop()?.subprocess_exec(|| Quiet, "cat", [""; 0]).co_await()?;
///     let transport: SubprocessTransport = transport;
///     transport.get_pipe_transport(0).unwrap().write(b"egg")?;
///     transport.close(); // kills it
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone)]
pub struct SubprocessTransport {
    inner: Rc<Inner>,
}

/// The examples of this file have the `transport` of a child that reads until it is ended.
macro_rules! example {
    ($($line:literal),+) => {
        concat!(
            "```\n# use coro_core::{prelude::*, process::*, signal::SignalKind};\n",
            "# struct Quiet;\n# impl SubprocessProtocol for Quiet {}\n# coro_core::run(coroutine(|| {\n",
            "# let (transport, _) = get_running_loop()?.subprocess_exec(|| Quiet, \"cat\", [\"\"; 0]).co_await()?;\n",
            $($line, "\n",)+
            "# transport.close();\n# Ok(())\n# })).unwrap();\n```"
        )
    };
}

/// A pipe, as far as it has come.
#[derive(Default)]
struct Pipe {
    transport: Option<Transport>,
    disconnected: bool,
}

/// Something to tell the protocol.
type Call = Box<dyn FnOnce(&Rc<Inner>)>;

struct Inner {
    core: Rc<LoopCore>,
    /// Until the connection is lost.
    running: RefCell<Option<Arc<Running>>>,
    pid: u32,
    returncode: Cell<Option<i32>>,
    protocol: RefCell<Option<Rc<dyn SubprocessProtocol>>>,
    /// Those that were asked for, by the child's numbers.
    pipes: RefCell<[Option<Pipe>; 3]>,
    /// What is told once the pipes are connected.
    pending: RefCell<Option<Vec<Call>>>,
    waiters: RefCell<Vec<Future<i32>>>,
    closed: Cell<bool>,
    watch: RefCell<Option<(Armed, Io<End>)>>,
    resource: Cell<usize>,
}

/// What `returncode` says of a child that ended so: its exit code, or the number of the signal, negative.
pub(super) fn returncode(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|signal| -signal)).unwrap_or(UNKNOWN)
}

/// What is told where somebody else took the status.
const UNKNOWN: i32 = 255;

impl SubprocessTransport {
    /// Starts the child's transport, and waits until its protocol is about to know of it.
    pub(super) fn start(
        core: &Rc<LoopCore>,
        spawned: Spawned,
        protocol: Rc<dyn SubprocessProtocol>,
    ) -> Result<Self> {
        let Spawned { running, pipes, program } = spawned;
        let asked = [pipes.stdin.is_some(), pipes.stdout.is_some(), pipes.stderr.is_some()];
        let inner = Rc::new(Inner {
            core: Rc::clone(core),
            pid: running.id(),
            running: RefCell::new(Some(running)),
            returncode: Cell::new(None),
            protocol: RefCell::new(Some(protocol)),
            pipes: RefCell::new(asked.map(|asked| asked.then(Pipe::default))),
            pending: RefCell::new(Some(Vec::new())),
            waiters: RefCell::default(),
            closed: Cell::new(false),
            watch: RefCell::default(),
            resource: Cell::new(usize::MAX),
        });
        let owner = Rc::downgrade(&inner) as Weak<dyn Resource>;
        inner.resource.set(core.resources.borrow_mut().insert(owner));
        if core.debug.get() {
            report::debug(format_args!("process '{program}' created: pid {}", inner.pid));
        }
        let this = Self { inner };
        if let Err(error) = this.inner.watch() {
            this.close();
            this.inner.release();
            return Err(error);
        }
        let waiter = Future::on(Rc::clone(core));
        create_task(this.inner.connect_pipes(pipes, waiter.clone()));
        if let Err(error) = waiter.wait_done() {
            this.close();
            this.inner.wait()?;
            return Err(error);
        }
        Ok(this)
    }

    /// The number of the process.
    ///
    #[doc = example!("assert!(transport.get_pid() > 0);")]
    pub fn get_pid(&self) -> u32 {
        self.inner.pid
    }

    /// How the child ended: its exit code, or the number of the signal that ended it, negative. `None` if it has not.
    ///
    #[doc = example!("assert_eq!(transport.get_returncode(), None);")]
    pub fn get_returncode(&self) -> Option<i32> {
        self.inner.returncode.get()
    }

    /// The transport of a pipe, by the child's number; `None` if there is none.
    ///
    #[doc = example!("assert!(transport.get_pipe_transport(1).is_some());", "assert!(transport.get_pipe_transport(7).is_none());")]
    pub fn get_pipe_transport(&self, fd: u32) -> Option<Transport> {
        self.inner.pipes.borrow().get(fd as usize)?.as_ref()?.transport.clone()
    }

    /// Sends the child a signal. Between the child's end and `connection_lost` it does nothing.
    ///
    /// # Errors
    /// [`ProcessLookupError`] after `connection_lost`; those of the system.
    ///
    #[doc = example!("transport.send_signal(SignalKind::hangup())?;")]
    pub fn send_signal(&self, signal: SignalKind) -> Result<()> {
        let running = self.inner.running.borrow().clone();
        let running = running.ok_or(ProcessLookupError { id: self.inner.pid })?;
        running.signal(signal.as_raw(), false)?;
        Ok(())
    }

    /// Asks the child to end, by SIGTERM.
    ///
    /// # Errors
    /// As [`send_signal`](Self::send_signal).
    ///
    #[doc = example!("transport.terminate()?;")]
    pub fn terminate(&self) -> Result<()> {
        self.send_signal(SignalKind::terminate())
    }

    /// Ends the child at once, by SIGKILL.
    ///
    /// # Errors
    /// As [`send_signal`](Self::send_signal).
    ///
    #[doc = example!("transport.kill()?;")]
    pub fn kill(&self) -> Result<()> {
        self.send_signal(SignalKind::from_raw(libc::SIGKILL))
    }

    /// Closes the pipes, and kills the child if it has not ended.
    ///
    #[doc = example!("transport.close();", "assert!(transport.is_closing());")]
    pub fn close(&self) {
        self.inner.close();
    }

    /// Whether it was closed.
    ///
    #[doc = example!("assert!(!transport.is_closing());")]
    pub fn is_closing(&self) -> bool {
        self.inner.closed.get()
    }

    /// The protocol, until the connection is lost. It can be cast to `Rc<dyn Any>`, and so back to its type.
    ///
    #[doc = example!("assert!(transport.get_protocol().is_some());")]
    pub fn get_protocol(&self) -> Option<Rc<dyn SubprocessProtocol>> {
        self.inner.protocol.borrow().clone()
    }

    /// Tells another protocol from now on.
    ///
    #[doc = example!("transport.set_protocol(std::rc::Rc::new(Quiet));")]
    pub fn set_protocol(&self, protocol: Rc<dyn SubprocessProtocol>) {
        let old = match self.inner.running.borrow().is_some() {
            true => self.inner.protocol.replace(Some(protocol)),
            false => Some(protocol),
        };
        drop(old);
    }

    /// Waits until `connection_lost` was told.
    pub(super) fn wait(&self) -> Result<i32> {
        self.inner.wait()
    }
}

impl Inner {
    /// Connects the pipes, then lets the protocol know.
    fn connect_pipes(
        self: &Rc<Self>,
        pipes: Pipes,
        waiter: Future<()>,
    ) -> Coroutine<impl FnOnce() -> Result<()> + use<>> {
        static DEFINITION: Definition =
            Definition::new("SubprocessTransport::_connect_pipes", file!(), line!());
        let this = Rc::clone(self);
        Coroutine::named(&DEFINITION, move || {
            let connected = this.connect(pipes);
            if connected.is_ok() {
                let made = SubprocessTransport { inner: Rc::clone(&this) };
                this.soon(move |this| this.tell(|protocol| protocol.connection_made(&made)));
                let pending = this.pending.take();
                pending.into_iter().flatten().for_each(|call| this.soon(call));
            }
            // Who waited may have been cancelled.
            let _ = match connected {
                Ok(()) => waiter.settle_value(()),
                Err(error) => waiter.settle_failed(error),
            };
            Ok(())
        })
    }

    fn connect(self: &Rc<Self>, pipes: Pipes) -> Result<()> {
        let event_loop = self.core.handle();
        let end = |fd| PipeEnd { inner: RefCell::new(Some(Rc::clone(self))), fd };
        if let Some(pipe) = pipes.stdin {
            let (transport, _) = event_loop.connect_write_pipe(|| end(0), pipe).co_await()?;
            self.connected(0, transport);
        }
        for (fd, pipe) in [(1, pipes.stdout), (2, pipes.stderr)] {
            if let Some(pipe) = pipe {
                let (transport, _) = event_loop.connect_read_pipe(|| end(fd), pipe).co_await()?;
                self.connected(fd, transport);
            }
        }
        Ok(())
    }

    fn connected(&self, fd: u32, transport: Transport) {
        // Closed already: its end comes as that of any other.
        if self.closed.get() {
            transport.close();
        }
        if let Some(pipe) = &mut self.pipes.borrow_mut()[fd as usize] {
            pipe.transport = Some(transport);
        }
    }

    /// Waits for the end of the child, in the name of the loop.
    fn watch(self: &Rc<Self>) -> Result<()> {
        let Some(running) = self.running.borrow().clone() else { return Ok(()) };
        let end = running.end()?;
        let armed = end.when_ready(&self.core, Side::Read, Rc::new(Ended(Rc::clone(self))))?;
        self.watch.replace(Some((armed, end)));
        Ok(())
    }

    /// The child has ended, or it seems so.
    fn look(self: &Rc<Self>) {
        let watch = self.watch.take();
        drop(watch);
        let Some(running) = self.running.borrow().clone() else { return };
        let returncode = match running.try_wait() {
            Ok(Some(status)) => returncode(status),
            Ok(None) => match self.watch() {
                Ok(()) => return,
                Err(_) => UNKNOWN,
            },
            Err(_) => {
                report::warning(format_args!(
                    "child process pid {} exit status already read:  will report returncode {UNKNOWN}",
                    self.pid
                ));
                UNKNOWN
            }
        };
        self.soon(move |this| this.exited(returncode));
    }

    fn exited(self: &Rc<Self>, returncode: i32) {
        if self.core.debug.get() {
            report::debug(format_args!("{self:?} exited with return code {returncode}"));
        }
        self.returncode.set(Some(returncode));
        self.call(|this| this.tell(|protocol| protocol.process_exited()));
        self.try_finish();
    }

    /// Ends the connection if nothing is left of it.
    fn try_finish(self: &Rc<Self>) {
        let is_open = |pipe: &Pipe| !pipe.disconnected;
        if self.returncode.get().is_some() && !self.pipes.borrow().iter().flatten().any(is_open) {
            self.call(Self::lose);
        }
    }

    fn lose(self: &Rc<Self>) {
        struct Release<'a>(&'a Inner);
        impl Drop for Release<'_> {
            fn drop(&mut self) {
                self.0.release();
            }
        }
        let _release = Release(self); // also if the protocol panics
        self.tell(|protocol| protocol.connection_lost(None));
    }

    /// Lets go of everything and wakes who waits.
    fn release(&self) {
        let waiters = self.waiters.take();
        for waiter in waiters {
            // One that was cancelled stays as it is.
            let _ = waiter.settle_value(self.returncode.get().unwrap_or(UNKNOWN));
        }
        let watch = self.watch.take();
        let running = self.running.take();
        let protocol = self.protocol.take();
        drop(watch);
        drop(protocol);
        if let Some(running) = running {
            running.abandon();
        }
    }

    fn wait(&self) -> Result<i32> {
        if let Some(returncode) = self.returncode.get() {
            return Ok(returncode);
        }
        let waiter = Future::on(Rc::clone(&self.core));
        self.waiters.borrow_mut().push(waiter.clone());
        waiter.co_await()
    }

    fn close(&self) {
        if self.closed.replace(true) {
            return;
        }
        let pipes: Vec<Transport> =
            self.pipes.borrow().iter().flatten().filter_map(|pipe| pipe.transport.clone()).collect();
        pipes.iter().for_each(Transport::close);
        let running = self.running.borrow().clone().filter(|_| self.returncode.get().is_none());
        if let Some(running) = running {
            if self.core.debug.get() && matches!(running.try_wait(), Ok(None)) {
                report::warning(format_args!("Close running child process: kill {self:?}"));
            }
            // It may have ended, or belong to another user by now.
            let _ = running.signal(libc::SIGKILL, false);
        }
    }

    /// Runs `call` in the next round.
    fn soon(self: &Rc<Self>, call: impl FnOnce(&Rc<Self>) + 'static) {
        let this = Rc::clone(self);
        self.core.handle().call_soon(move || call(&this));
    }

    /// Runs `call` in the next round, or when the pipes are connected.
    fn call(self: &Rc<Self>, call: impl FnOnce(&Rc<Self>) + 'static) {
        let mut pending = self.pending.borrow_mut();
        match &mut *pending {
            Some(pending) => pending.push(Box::new(call)),
            None => {
                drop(pending);
                self.soon(call);
            }
        }
    }

    fn tell(&self, method: impl FnOnce(&dyn SubprocessProtocol)) {
        let protocol = self.protocol.borrow().clone();
        if let Some(protocol) = protocol {
            method(&*protocol);
        }
    }
}

/// Runs when a child has ended. It keeps the transport until then.
struct Ended(Rc<Inner>);

impl Runnable for Ended {
    fn run(self: Rc<Self>, _: &Rc<LoopCore>) {
        self.0.look();
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<Handle of the end of process {}>", self.0.pid)
    }
}

/// The protocol of a pipe: it tells that of the process.
struct PipeEnd {
    inner: RefCell<Option<Rc<Inner>>>,
    fd: u32,
}

impl PipeEnd {
    fn inner(&self) -> Option<Rc<Inner>> {
        self.inner.borrow().clone()
    }
}

impl Protocol for PipeEnd {
    fn data_received(&self, data: &[u8]) {
        let (Some(inner), fd, data) = (self.inner(), self.fd, data.to_vec()) else { return };
        inner.call(move |inner| inner.tell(|protocol| protocol.pipe_data_received(fd, &data)));
    }

    fn connection_lost(&self, error: Option<Error>) {
        let (Some(inner), fd) = (self.inner.take(), self.fd) else { return };
        if let Some(pipe) = &mut inner.pipes.borrow_mut()[fd as usize] {
            pipe.disconnected = true;
        }
        inner.call(move |inner| inner.tell(|protocol| protocol.pipe_connection_lost(fd, error)));
        inner.try_finish();
    }

    fn pause_writing(&self) {
        if let Some(inner) = self.inner() {
            inner.tell(|protocol| protocol.pause_writing());
        }
    }

    fn resume_writing(&self) {
        if let Some(inner) = self.inner() {
            inner.tell(|protocol| protocol.resume_writing());
        }
    }
}

impl Resource for Inner {
    /// As in CPython what is left of the loop is freed, which kills the child.
    fn loop_closed(self: Rc<Self>) {
        if !self.closed.get() && self.running.borrow().is_some() {
            self.core.report_unclosed(format_args!("transport {self:?}"));
        }
        self.close();
        self.release();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // None on a loop that was closed.
        let _ = self.core.resources.borrow_mut().try_remove(self.resource.get());
        if let Some(running) = self.running.take() {
            running.abandon();
        }
    }
}

impl Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<SubprocessTransport")?;
        if self.closed.get() {
            f.write_str(" closed")?;
        }
        write!(f, " pid={}", self.pid)?;
        match self.returncode.get() {
            Some(returncode) => write!(f, " returncode={returncode}")?,
            None => f.write_str(" running")?,
        }
        let pipes = self.pipes.borrow();
        for (name, pipe) in ["stdin", "stdout", "stderr"].iter().zip(pipes.iter()) {
            if let Some(transport) = pipe.as_ref().and_then(|pipe| pipe.transport.as_ref()) {
                write!(f, " {name}={transport:?}")?;
            }
        }
        f.write_str(">")
    }
}

impl Debug for SubprocessTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}
