//! [`StreamReaderProtocol`]: what stands between a transport, a reader and a writer.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::{Rc, Weak};

use super::reader::{Incoming, StreamReader};
use super::writer::StreamWriter;
use crate::coroutine::Awaitable;
use crate::error::{Error, Result};
use crate::events::{ExceptionContext, running_core};
use crate::future::Future;
use crate::transport::{Protocol, Transport};

/// Starts the task of a client.
pub(super) type ClientConnected = Rc<dyn Fn(StreamReader, StreamWriter, &Transport)>;

/// What the task of a client leaves behind: a connection that goes on, if it ended well.
pub(super) fn task_ended(transport: &Transport, outcome: Result<Option<Error>>) {
    match outcome {
        Ok(None) => return,
        Ok(Some(error)) => transport.core().call_exception_handler(&ExceptionContext {
            message: "Unhandled exception in client_connected_cb".to_owned(),
            exception: Some(error),
            future: None,
            handle: None,
        }),
        Err(_cancelled) => {}
    }
    transport.close();
}

/// The protocol that feeds a [`StreamReader`]; `asyncio.StreamReaderProtocol`. For transports that are made by hand:
/// [`open_connection`](crate::open_connection) and its like make their own.
///
/// It does not keep the reader alive: what comes when nobody holds it is dropped.
///
/// ```
/// use coro_core::{StreamReader, StreamReaderProtocol, StreamWriter, prelude::*};
/// coro_core::run(coroutine(|| {
///     let (near, mut far) = std::os::unix::net::UnixStream::pair()?;
///     let mut reader = StreamReader::new();
///     let protocol = StreamReaderProtocol::new(&reader);
///     let (transport, protocol) = get_running_loop()?.create_connection(|| protocol, near).co_await()?;
///     let writer = StreamWriter::new(&transport, &protocol, Some(&reader));
///     std::io::Write::write_all(&mut far, b"hello\n")?;
///     assert_eq!(reader.readline().co_await()?, b"hello\n");
///     writer.close();
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
pub struct StreamReaderProtocol {
    reader: RefCell<Weak<Incoming>>,
    /// The reader of a client, until somebody is given it.
    kept: RefCell<Option<StreamReader>>,
    client_connected: RefCell<Option<ClientConnected>>,
    me: RefCell<Weak<Self>>,
    paused: Cell<bool>,
    lost: Cell<bool>,
    /// Whether the end of what is read leaves no way to write.
    one_end: Cell<bool>,
    drains: RefCell<Vec<Future<()>>>,
    closed: RefCell<Option<Future<()>>>,
}

impl StreamReaderProtocol {
    /// A protocol that feeds `reader`.
    ///
    /// ```
    /// # use coro_core::{StreamReader, StreamReaderProtocol};
    /// let reader = StreamReader::new();
    /// let protocol = StreamReaderProtocol::new(&reader);
    /// # drop(protocol);
    /// ```
    pub fn new(reader: &StreamReader) -> Self {
        Self::with(reader.downgrade())
    }

    /// A protocol that feeds nobody, for a [`StreamWriter`] whose transport only writes.
    ///
    /// ```
    /// use coro_core::{StreamReaderProtocol, StreamWriter, prelude::*};
    /// coro_core::run(coroutine(|| {
    ///     let (_other_end, end) = std::io::pipe()?;
    ///     let event_loop = get_running_loop()?;
    ///     let (transport, protocol) =
    ///         event_loop.connect_write_pipe(StreamReaderProtocol::without_reader, end).co_await()?;
    ///     let writer = StreamWriter::new(&transport, &protocol, None);
    ///     writer.write(b"through a pipe")?;
    ///     writer.drain().co_await()?;
    ///     writer.close();
    ///     Ok(())
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn without_reader() -> Self {
        Self::with(Weak::new())
    }

    fn with(reader: Weak<Incoming>) -> Self {
        Self {
            reader: RefCell::new(reader),
            kept: RefCell::default(),
            client_connected: RefCell::default(),
            me: RefCell::default(),
            paused: Cell::new(false),
            lost: Cell::new(false),
            one_end: Cell::new(false),
            drains: RefCell::default(),
            closed: RefCell::new(running_core().ok().map(Future::on)),
        }
    }

    /// The protocol of a client of a server.
    pub(super) fn for_client(reader: StreamReader, client_connected: ClientConnected) -> Rc<Self> {
        let this = Self::new(&reader);
        this.kept.replace(Some(reader));
        this.client_connected.replace(Some(client_connected));
        let this = Rc::new(this);
        this.me.replace(Rc::downgrade(&this));
        this
    }

    fn reader(&self) -> Option<Rc<Incoming>> {
        self.reader.borrow().upgrade()
    }

    /// Learns what it writes to.
    pub(super) fn replace_transport(&self, transport: &Transport) {
        self.one_end.set(!transport.can_write_eof());
    }

    /// Waits until writing is not paused.
    pub(super) fn drain(&self) -> Result<()> {
        if self.lost.get() {
            return Err(io::Error::new(io::ErrorKind::ConnectionReset, "Connection lost").into());
        }
        if !self.paused.get() {
            return Ok(());
        }
        let waiter = Future::on(running_core()?);
        self.drains.borrow_mut().push(waiter.clone());
        let result = waiter.wait_done();
        self.drains.borrow_mut().retain(|other| !other.same(&waiter));
        result
    }

    /// Waits until the connection is over.
    pub(super) fn wait_closed(&self) -> Result<()> {
        let closed = self.closed.borrow().clone();
        match closed {
            Some(closed) => closed.co_await(),
            None => Ok(()),
        }
    }

    fn wake_drains(&self, error: Option<&Error>) {
        let drains = self.drains.borrow().clone();
        for waiter in drains {
            // Who waited may have been cancelled.
            let _ = match error {
                None => waiter.settle_value(()),
                Some(error) => waiter.settle_failed(error.clone()),
            };
        }
    }

    fn client_connected(&self, transport: &Transport, client_connected: &ClientConnected) {
        let reader = self.kept.take();
        let (Some(reader), Some(me)) = (reader, self.me.borrow().upgrade()) else { return };
        let writer = StreamWriter::new(transport, &me, Some(&reader));
        client_connected(reader, writer, transport);
    }
}

impl Protocol for StreamReaderProtocol {
    fn connection_made(&self, transport: &Transport) {
        self.replace_transport(transport);
        if let Some(reader) = self.reader() {
            reader.set_transport(transport);
        }
        let client_connected = self.client_connected.borrow().clone();
        if let Some(client_connected) = client_connected {
            self.client_connected(transport, &client_connected);
        }
    }

    fn data_received(&self, data: &[u8]) {
        if let Some(reader) = self.reader() {
            reader.feed_data(data);
        }
    }

    fn eof_received(&self) -> bool {
        if let Some(reader) = self.reader() {
            reader.feed_eof();
        }
        !self.one_end.get()
    }

    fn connection_lost(&self, error: Option<Error>) {
        if let Some(reader) = self.reader() {
            match &error {
                None => reader.feed_eof(),
                Some(error) => reader.set_exception(error.clone()),
            }
            reader.forget_transport();
        }
        let closed = self.closed.borrow().clone();
        if let Some(closed) = closed.filter(|closed| !closed.done()) {
            let _ = match &error {
                None => closed.settle_value(()),
                Some(error) => closed.settle_failed(error.clone()),
            };
            // It need not be waited for.
            drop(closed.exception());
        }
        self.lost.set(true);
        if self.paused.get() {
            self.wake_drains(error.as_ref());
        }
        self.reader.replace(Weak::new());
        let client_connected = self.client_connected.take();
        drop(client_connected);
    }

    fn pause_writing(&self) {
        self.paused.set(true);
    }

    fn resume_writing(&self) {
        self.paused.set(false);
        self.wake_drains(None);
    }
}
