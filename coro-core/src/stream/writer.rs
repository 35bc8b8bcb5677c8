//! [`StreamWriter`]: writes to a transport, and waits when it has too much.

#[cfg(feature = "tls")]
use std::cell::{Cell, OnceCell};
use std::fmt::{self, Debug};
use std::io::{self, IoSlice, Write};
use std::net::SocketAddr;
use std::rc::Rc;

use super::protocol::StreamReaderProtocol;
use super::reader::{Incoming, StreamReader};
use crate::coroutine::{Coroutine, suspend};
use crate::definition::Definition;
use crate::error::Result;
#[cfg(feature = "tls")]
use crate::error::RuntimeError;
use crate::fiber::Awaited;
#[cfg(feature = "tls")]
use crate::tls::{self, Tls, TlsInfo};
#[cfg(feature = "tls")]
use crate::transport::Protocol;
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
    transport: Layer,
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
        let inner = Inner { transport: Layer::new(transport.clone()), protocol: Rc::clone(protocol), reader };
        Self { inner: Rc::new(inner) }
    }

    /// The transport below.
    ///
    #[doc = example!("assert_eq!(writer.transport().get_write_buffer_size(), 0);")]
    pub fn transport(&self) -> &Transport {
        self.inner.transport()
    }

    /// Writes all of `data`, or keeps it to be written; see [`Transport::write`].
    ///
    /// # Errors
    /// [`RuntimeError`](crate::RuntimeError) after [`write_eof`](Self::write_eof).
    ///
    #[doc = example!("writer.write(b\"hello\\n\")?;", "assert_eq!(reader.readline().co_await()?, b\"hello\\n\");")]
    pub fn write(&self, data: &[u8]) -> Result<()> {
        self.inner.transport().write(data)
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
        self.inner.transport().writelines(parts)
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
        self.inner.transport().write_eof();
    }

    /// Whether there is a [`write_eof`](Self::write_eof) that leaves the reading side open.
    ///
    #[doc = example!("assert!(writer.can_write_eof());")]
    pub fn can_write_eof(&self) -> bool {
        self.inner.transport().can_write_eof()
    }

    /// Closes the connection, when what was written has been sent.
    ///
    #[doc = example!("writer.close();", "assert!(writer.is_closing());")]
    pub fn close(&self) {
        self.inner.transport().close();
    }

    /// Whether it is closed, or will be.
    ///
    #[doc = example!("assert!(!writer.is_closing());")]
    pub fn is_closing(&self) -> bool {
        self.inner.transport().is_closing()
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

    /// Encrypts the connection from now on; `asyncio.StreamWriter.start_tls()`. The reader and this writer, with all its
    /// clones, go on as before.
    ///
    /// Both sides must know when. What the other one has sent too early is in the reader already, and is taken for a part
    /// of the handshake: nobody can slip in something that was not encrypted.
    ///
    /// # Errors
    /// When awaited: those of [`drain`](Self::drain); [`RuntimeError`](crate::RuntimeError) if it is under way; those of
    /// [`CreateConnection::tls`](crate::CreateConnection::tls). A handshake that fails closes the connection.
    ///
    /// # Cancellation
    /// The connection is closed, once the handshake has begun.
    ///
    /// ```
    /// use coro_core::{tls::{Tls, rustls}, prelude::*};
    /// # use std::sync::Arc;
    /// # let made = rcgen::generate_simple_self_signed(["kitchen".to_owned()])?;
    /// # let key = rustls::pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    /// # let ring = Arc::new(rustls::crypto::ring::default_provider());
    /// # let server_config = Arc::new(rustls::ServerConfig::builder_with_provider(ring.clone())
    /// #     .with_safe_default_protocol_versions()?.with_no_client_auth()
    /// #     .with_single_cert(vec![made.cert.der().clone()], key.into())?);
    /// # let mut roots = rustls::RootCertStore::empty();
    /// # roots.add(made.cert.der().clone())?;
    /// # let client_config = Arc::new(rustls::ClientConfig::builder_with_provider(ring)
    /// #     .with_safe_default_protocol_versions()?.with_root_certificates(roots).with_no_client_auth());
    /// async_fn! {
    ///     async fn serve(mut reader: StreamReader, writer: StreamWriter, config: Arc<rustls::ServerConfig>) {
    ///         assert_eq!(await!(reader.readline()), b"in private, please\n");
    ///         writer.write(b"go ahead\n")?;
    ///         await!(writer.start_tls(config));
    ///         let line = await!(reader.readline());
    ///         writer.write(&line)?;
    ///     }
    /// }
    /// coro_core::run(coroutine(|| {
    ///     let serve = move |reader, writer| serve(reader, writer, server_config.clone());
    ///     let server = start_server(serve, "127.0.0.1:0").co_await()?;
    ///     let (mut reader, writer) = open_connection(server.local_addrs()[0]).co_await()?;
    ///     writer.write(b"in private, please\n")?;
    ///     assert_eq!(reader.readline().co_await()?, b"go ahead\n");
    ///     writer.start_tls(Tls::client(client_config, "kitchen")).co_await()?;
    ///     writer.write(b"a secret\n")?;
    ///     assert_eq!(reader.readline().co_await()?, b"a secret\n");
    ///     server.close();
    ///     Ok(())
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    #[cfg(feature = "tls")]
    #[track_caller]
    pub fn start_tls<L: Into<Tls>>(&self, tls: L) -> Coroutine<impl FnOnce() -> Result<()> + use<L>> {
        static DEFINITION: Definition = Definition::new("StreamWriter.start_tls", file!(), line!());
        let (inner, tls) = (Rc::clone(&self.inner), tls.into());
        Coroutine::named(&DEFINITION, move || inner.start_tls(tls))
    }

    /// What was agreed on, if the connection is encrypted; `get_extra_info("peercert")` and its like.
    ///
    #[doc = example!("assert!(writer.tls().is_none());")]
    #[cfg(feature = "tls")]
    pub fn tls(&self) -> Option<TlsInfo> {
        self.transport().tls()
    }

    /// The address of the other side, if it is one of the internet; `get_extra_info("peername")`.
    ///
    #[doc = example!("assert_eq!(writer.peername(), None); // a Unix socket")]
    pub fn peername(&self) -> Option<SocketAddr> {
        self.inner.transport().peername()
    }

    /// Its own address, if it is one of the internet; `get_extra_info("sockname")`.
    ///
    #[doc = example!("assert_eq!(writer.sockname(), None); // a Unix socket")]
    pub fn sockname(&self) -> Option<SocketAddr> {
        self.inner.transport().sockname()
    }

    /// The socket, until the connection is over; `get_extra_info("socket")`.
    ///
    #[doc = example!("assert!(writer.socket().is_some());")]
    pub fn socket(&self) -> Option<TransportSocket> {
        self.inner.transport().socket()
    }
}

/// A transport, and the one that was put over it.
struct Layer {
    transport: Transport,
    #[cfg(feature = "tls")]
    above: OnceCell<Box<Layer>>,
    #[cfg(feature = "tls")]
    upgrading: Cell<bool>,
}

impl Layer {
    fn new(transport: Transport) -> Self {
        Self {
            transport,
            #[cfg(feature = "tls")]
            above: OnceCell::new(),
            #[cfg(feature = "tls")]
            upgrading: Cell::new(false),
        }
    }

    /// The one on top.
    fn top(&self) -> &Layer {
        #[cfg(feature = "tls")]
        if let Some(above) = self.above.get() {
            return above.top();
        }
        self
    }
}

impl Inner {
    fn transport(&self) -> &Transport {
        &self.transport.top().transport
    }

    fn drain(&self) -> Result<()> {
        if let Some(reader) = &self.reader {
            reader.check()?;
        }
        if self.transport().is_closing() {
            // So that a loop of writes and drains learns that the connection is lost.
            suspend(Awaited::Yield)?;
        }
        self.protocol.drain()
    }

    #[cfg(feature = "tls")]
    fn start_tls(&self, tls: Tls) -> Result<()> {
        tls.check()?;
        self.drain()?;
        let below = self.transport.top();
        if below.upgrading.replace(true) {
            return Err(RuntimeError::new("start_tls() is under way already").into());
        }
        let came = self.reader.as_ref().map(|reader| reader.take_unread()).unwrap_or_default();
        let above = tls::start(&below.transport, Rc::clone(&self.protocol) as Rc<dyn Protocol>, tls, came)?;
        self.protocol.replace_transport(&above);
        if let Some(reader) = &self.reader {
            reader.set_transport(&above);
        }
        // It is the first: nobody else is let in above.
        let _ = below.above.set(Box::new(Layer::new(above)));
        Ok(())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let transport = self.transport();
        if !transport.is_closing() {
            transport.core().report_unclosed(format_args!("<StreamWriter transport={transport:?}>"));
            transport.close();
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
        self.inner.transport().write(data)?;
        Ok(data.len())
    }

    fn write_parts(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.inner.transport().object.writelines(&mut parts.iter().map(|part| &**part))?;
        Ok(parts.iter().map(|part| part.len()).sum())
    }
}

impl Debug for StreamWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<StreamWriter transport={:?}", self.inner.transport())?;
        if let Some(reader) = &self.inner.reader {
            write!(f, " reader={:?}", StreamReader { inner: Rc::clone(reader) })?;
        }
        f.write_str(">")
    }
}
