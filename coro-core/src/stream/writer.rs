//! [`StreamWriter`]: writes to a transport, and waits when it has too much.

use std::fmt::{self, Debug};
use std::io::{self, IoSlice, Write};
use std::net::SocketAddr;
use std::rc::Rc;

use super::protocol::StreamReaderProtocol;
use super::reader::{Incoming, StreamReader};
use crate::coroutine::{Coroutine, suspend};
use crate::definition::Definition;
use crate::error::Result;
use crate::fiber::Awaited;
use crate::transport::{Transport, TransportSocket};

/// Writes to a connection; `asyncio.StreamWriter`. A clone is another handle on it.
///
/// [`open_connection`](crate::open_connection) and its like give one. What is written is sent at once as far as the system
/// takes it; the rest is kept. [`drain`](Self::drain) waits while that is much.
///
/// It implements [`std::io::Write`], also by reference, so that `write!` and its like work. That `Write` never waits:
/// who writes much calls `drain` in between.
///
/// When the last handle is dropped the whole connection is closed, so keep one as long as you read; in debug mode that is
/// reported, if it was not [closed](Self::close).
///
/// ```
/// use coro_core::{open_connection, prelude::*};
/// use std::io::Write;
/// coro_core::run(coroutine(|| {
///     let (near, far) = std::os::unix::net::UnixStream::pair()?;
///     let (_, mut writer) = open_connection(near).co_await()?;
///     let (mut reader, _far) = open_connection(far).co_await()?;
///     writer.write(b"eggs: ")?;
///     writeln!(writer, "{}", 6)?;
///     writer.drain().co_await()?;
///     assert_eq!(reader.readline().co_await()?, b"eggs: 6\n");
///     writer.close();
///     writer.wait_closed().co_await()
/// }))?;
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone)]
pub struct StreamWriter {
    inner: Rc<Inner>,
}

struct Inner {
    transport: Transport,
    protocol: Rc<StreamReaderProtocol>,
    reader: Option<Rc<Incoming>>,
}

/// The examples of this file have a `writer`, and a `reader` at the other end.
macro_rules! example {
    ($($line:literal),+) => {
        concat!(
            "```\n# use coro_core::{open_connection, prelude::*};\n",
            "# coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {\n",
            "# let (near, far) = std::os::unix::net::UnixStream::pair()?;\n",
            "# let (_near, writer) = open_connection(near).co_await()?;\n",
            "# let (mut reader, _far) = open_connection(far).co_await()?;\n",
            $($line, "\n",)+
            "# writer.close();\n# reader.read(9).co_await()?;\n# Ok(())\n# })).unwrap();\n```"
        )
    };
}

impl StreamWriter {
    /// A writer to `transport`, whose protocol is `protocol`. With the reader of the same connection, an error of that is
    /// raised by [`drain`](Self::drain).
    ///
    /// ```
    /// use coro_core::{StreamReaderProtocol, StreamWriter, prelude::*};
    /// coro_core::run(coroutine(|| {
    ///     let (_other_end, end) = std::io::pipe()?;
    ///     let (transport, protocol) =
    ///         get_running_loop()?.connect_write_pipe(StreamReaderProtocol::without_reader, end).co_await()?;
    ///     let writer = StreamWriter::new(&transport, &protocol, None);
    ///     writer.write(b"through a pipe")?;
    ///     writer.close();
    ///     Ok(())
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn new(
        transport: &Transport,
        protocol: &Rc<StreamReaderProtocol>,
        reader: Option<&StreamReader>,
    ) -> Self {
        let reader = reader.map(|reader| Rc::clone(&reader.inner));
        let inner = Inner { transport: transport.clone(), protocol: Rc::clone(protocol), reader };
        Self { inner: Rc::new(inner) }
    }

    /// The transport below.
    ///
    #[doc = example!("assert_eq!(writer.transport().get_write_buffer_size(), 0);")]
    pub fn transport(&self) -> &Transport {
        &self.inner.transport
    }

    /// Writes all of `data`, or keeps it to be written; see [`Transport::write`].
    ///
    /// # Errors
    /// [`RuntimeError`](crate::RuntimeError) after [`write_eof`](Self::write_eof).
    ///
    #[doc = example!("writer.write(b\"hello\\n\")?;", "assert_eq!(reader.readline().co_await()?, b\"hello\\n\");")]
    pub fn write(&self, data: &[u8]) -> Result<()> {
        self.inner.transport.write(data)
    }

    /// Writes several pieces, one after the other, with as few system calls as possible.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    ///
    #[doc = example!("writer.writelines([\"one\\n\", \"two\\n\"])?;", "assert_eq!(reader.readline().co_await()?, b\"one\\n\");")]
    pub fn writelines<I>(&self, parts: I) -> Result<()>
    where
        I: IntoIterator<Item: AsRef<[u8]>>,
    {
        self.inner.transport.writelines(parts)
    }

    /// Waits until what was written has been sent, all but a little: until the transport's limits allow more.
    ///
    /// # Errors
    /// When awaited: what ended the connection; of kind `ConnectionReset`, "Connection lost", when it is closed.
    ///
    /// # Cancellation
    /// What was written is sent all the same.
    ///
    #[doc = example!("writer.write(b\"hello\\n\")?;", "writer.drain().co_await()?;")]
    #[track_caller]
    pub fn drain(&self) -> Coroutine<impl FnOnce() -> Result<()> + use<>> {
        static DEFINITION: Definition = Definition::new("StreamWriter.drain", file!(), line!());
        let inner = Rc::clone(&self.inner);
        Coroutine::named(&DEFINITION, move || inner.drain())
    }

    /// Ends what is written: when all is sent, the other side reads the end. Reading goes on.
    ///
    #[doc = example!("writer.write_eof();", "assert_eq!(reader.read_to_end().co_await()?, b\"\");")]
    pub fn write_eof(&self) {
        self.inner.transport.write_eof();
    }

    /// Whether there is a [`write_eof`](Self::write_eof) that leaves the reading side open.
    ///
    #[doc = example!("assert!(writer.can_write_eof());")]
    pub fn can_write_eof(&self) -> bool {
        self.inner.transport.can_write_eof()
    }

    /// Closes the connection, when what was written has been sent.
    ///
    #[doc = example!("writer.close();", "assert!(writer.is_closing());")]
    pub fn close(&self) {
        self.inner.transport.close();
    }

    /// Whether it is closed, or will be.
    ///
    #[doc = example!("assert!(!writer.is_closing());")]
    pub fn is_closing(&self) -> bool {
        self.inner.transport.is_closing()
    }

    /// Waits until the connection is over, after [`close`](Self::close).
    ///
    /// # Errors
    /// When awaited: what ended the connection.
    ///
    /// # Cancellation
    /// As in asyncio the others who wait for it are cancelled with it, and who comes later.
    ///
    #[doc = example!("writer.close();", "writer.wait_closed().co_await()?;")]
    #[track_caller]
    pub fn wait_closed(&self) -> Coroutine<impl FnOnce() -> Result<()> + use<>> {
        static DEFINITION: Definition = Definition::new("StreamWriter.wait_closed", file!(), line!());
        let protocol = Rc::clone(&self.inner.protocol);
        Coroutine::named(&DEFINITION, move || protocol.wait_closed())
    }

    /// The address of the other side, if it is one of the internet; `get_extra_info("peername")`.
    ///
    #[doc = example!("assert_eq!(writer.peername(), None); // a Unix socket")]
    pub fn peername(&self) -> Option<SocketAddr> {
        self.inner.transport.peername()
    }

    /// Its own address, if it is one of the internet; `get_extra_info("sockname")`.
    ///
    #[doc = example!("assert_eq!(writer.sockname(), None); // a Unix socket")]
    pub fn sockname(&self) -> Option<SocketAddr> {
        self.inner.transport.sockname()
    }

    /// The socket, until the connection is over; `get_extra_info("socket")`.
    ///
    #[doc = example!("assert!(writer.socket().is_some());")]
    pub fn socket(&self) -> Option<TransportSocket> {
        self.inner.transport.socket()
    }
}

impl Inner {
    fn drain(&self) -> Result<()> {
        if let Some(reader) = &self.reader {
            reader.check()?;
        }
        if self.transport.is_closing() {
            // So that a loop of writes and drains learns that the connection is lost.
            suspend(Awaited::Yield)?;
        }
        self.protocol.drain()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if !self.transport.is_closing() {
            let core = self.transport.core();
            core.report_unclosed(format_args!("<StreamWriter transport={:?}>", self.transport));
            self.transport.close();
        }
    }
}

/// Takes everything, as [`StreamWriter::write`] does, and never waits.
impl Write for StreamWriter {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.write_std(data)
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.write_parts(parts)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// As that of [`StreamWriter`].
impl Write for &StreamWriter {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.write_std(data)
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.write_parts(parts)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl StreamWriter {
    fn write_std(&self, data: &[u8]) -> io::Result<usize> {
        self.inner.transport.write(data)?;
        Ok(data.len())
    }

    fn write_parts(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.inner.transport.object.writelines(&mut parts.iter().map(|part| &**part))?;
        Ok(parts.iter().map(|part| part.len()).sum())
    }
}

impl Debug for StreamWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<StreamWriter transport={:?}", self.inner.transport)?;
        if let Some(reader) = &self.inner.reader {
            write!(f, " reader={:?}", StreamReader { inner: Rc::clone(reader) })?;
        }
        f.write_str(">")
    }
}
