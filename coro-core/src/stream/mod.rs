//! Streams: connections that are read and written by tasks, over transports; `asyncio.streams`.
//!
//! Floor: above `transport/`. A [`StreamReader`] is fed by the [`StreamReaderProtocol`] of a transport, and pauses the
//! transport when too much waits to be read; a [`StreamWriter`] writes to the transport, and waits when too much waits to
//! be written.

mod protocol;
mod reader;
mod writer;

use std::fmt::{self, Debug};
use std::rc::Rc;

pub use protocol::StreamReaderProtocol;
use protocol::{ClientConnected, task_ended};
pub use reader::{StdReader, StreamReader};
pub use writer::StreamWriter;

use crate::compat::into_future;
use crate::coroutine::{Awaitable, Origins};
use crate::definition::Origin;
use crate::dns::ToAddresses;
use crate::error::Result;
use crate::events::{get_running_loop, running_core};
use crate::task::create_task;
#[cfg(feature = "tls")]
use crate::tls::Tls;
#[cfg(unix)]
use crate::transport::UnixPath;
use crate::transport::{
    ConnectOptions, ConnectTarget, Protocol, ServeOptions, ServeTarget, Server, connect_options, serve,
    serve_options,
};

/// The limit of a reader if nothing is said.
const DEFAULT_LIMIT: usize = 64 * 1024;

/// What [`open_connection`] and [`open_unix_connection`] return.
///
/// ```
/// use coro_core::{open_connection, prelude::*};
/// let error = coro_core::run(open_connection("127.0.0.1:1").limit(1024)).err().unwrap();
/// assert!(error.to_string().starts_with("127.0.0.1:1: "));
/// ```
#[must_use = "it connects only when it is awaited"]
pub struct OpenConnection<T> {
    target: T,
    limit: usize,
    options: ConnectOptions,
    #[cfg(feature = "tls")]
    tls: Option<Tls>,
}

/// Connects, and gives a reader and a writer; `asyncio.open_connection()`.
///
/// The target is an address, in any form that [`ToAddresses`] knows, or a socket that is connected already. Several
/// addresses are tried one after the other, or with
/// [`happy_eyeballs_delay`](OpenConnection::happy_eyeballs_delay) several at once.
///
/// # Errors
/// When awaited: the system's, with the address in front; of several addresses that fail, one error that says
/// "Multiple exceptions: …", or an [`ErrorGroup`](crate::ErrorGroup) with [`all_errors`](OpenConnection::all_errors);
/// those of [`ToAddresses`].
///
/// # Cancellation
/// The connection is closed.
///
/// ```
/// use coro_core::{StreamReader, StreamWriter, open_connection, start_server, prelude::*};
/// async_fn! {
///     async fn shout(mut reader: StreamReader, writer: StreamWriter) {
///         let line = await!(reader.readline());
///         writer.write(&line.to_ascii_uppercase())?;
///         writer.close();
///     }
///     async fn program() -> String {
///         let server = await!(start_server(shout, "127.0.0.1:0"));
///         let (mut reader, writer) = await!(open_connection(server.local_addrs()[0]));
///         writer.write(b"hello\n")?;
///         let answer = await!(reader.read_to_end());
///         server.close();
///         String::from_utf8(answer)?
///     }
/// }
/// assert_eq!(coro_core::run(program())?, "HELLO\n");
/// # Ok::<(), Error>(())
/// ```
pub fn open_connection<T: ConnectTarget>(target: T) -> OpenConnection<T> {
    OpenConnection {
        target,
        limit: DEFAULT_LIMIT,
        options: ConnectOptions::default(),
        #[cfg(feature = "tls")]
        tls: None,
    }
}

/// Connects to a Unix socket; `asyncio.open_unix_connection()`. Otherwise as [`open_connection`].
///
/// # Errors
/// When awaited: the system's, with the path in front.
///
/// # Cancellation
/// The connection is closed.
///
/// ```
/// use coro_core::{open_unix_connection, start_unix_server, prelude::*};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("socket");
/// coro_core::run(coroutine(|| {
///     let greet = |_, writer: coro_core::StreamWriter| coroutine(move || writer.write(b"good morning\n"));
///     let server = start_unix_server(greet, &path).co_await()?;
///     let (mut reader, _writer) = open_unix_connection(&path).co_await()?;
///     assert_eq!(reader.readline().co_await()?, b"good morning\n");
///     server.close();
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
#[cfg(unix)]
pub fn open_unix_connection(path: impl AsRef<std::path::Path>) -> OpenConnection<UnixPath> {
    open_connection(UnixPath::new(path))
}

impl<T> OpenConnection<T> {
    /// The limit of the reader, in bytes: see [`StreamReader::with_limit`].
    ///
    /// ```
    /// # use coro_core::{open_connection, prelude::*};
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// # let (socket, _other) = std::os::unix::net::UnixStream::pair()?;
    /// let (reader, _writer) = open_connection(socket).limit(1024).co_await()?;
    /// assert!(format!("{reader:?}").contains("limit=1024"));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Encrypts the connection; `ssl=`. See [`tls`](crate::tls) for an example.
    ///
    /// # Errors
    /// When awaited, besides its own: those of [`CreateConnection::tls`](crate::CreateConnection::tls).
    ///
    /// ```
    /// use coro_core::{open_connection, tls::{Tls, rustls}, prelude::*};
    /// # use std::sync::Arc;
    /// # let ring = Arc::new(rustls::crypto::ring::default_provider());
    /// # let config = Arc::new(rustls::ClientConfig::builder_with_provider(ring)
    /// #     .with_safe_default_protocol_versions()?
    /// #     .with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth());
    /// let tls = Tls::client(config, "example.com");
    /// let error = coro_core::run(open_connection("127.0.0.1:1").tls(tls)).err().unwrap();
    /// assert!(error.to_string().starts_with("127.0.0.1:1: "));
    /// # Ok::<(), Error>(())
    /// ```
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: impl Into<Tls>) -> Self {
        self.tls = Some(tls.into());
        self
    }
}

connect_options!([T: ToAddresses] OpenConnection<T>, "open_connection(");

impl<T: ConnectTarget> Awaitable for OpenConnection<T> {
    type Output = (StreamReader, StreamWriter);

    fn co_await(self) -> Result<(StreamReader, StreamWriter)> {
        let Self { target, limit, options, .. } = self;
        let reader = StreamReader::with_limit(limit)?;
        let protocol = StreamReaderProtocol::new(&reader);
        let connecting = get_running_loop()?.create_connection(|| protocol, target).with_options(options);
        #[cfg(feature = "tls")]
        let (transport, protocol) = match self.tls {
            Some(tls) => connecting.tls(tls).co_await()?,
            None => connecting.co_await()?,
        };
        #[cfg(not(feature = "tls"))]
        let (transport, protocol) = connecting.co_await()?;
        let writer = StreamWriter::new(&transport, &protocol, Some(&reader));
        Ok((reader, writer))
    }

    fn __origin(&self) -> Origins {
        Origins(Origin::named(|| "open_connection"))
    }
}

impl<T: Debug> Debug for OpenConnection<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OpenConnection").field(&self.target).finish()
    }
}

/// What [`start_server`] and [`start_unix_server`] return.
///
/// ```
/// use coro_core::{start_server, prelude::*};
/// coro_core::run(coroutine(|| {
///     let server = start_server(|_, _| coroutine(|| Ok(())), "127.0.0.1:0").limit(1024).backlog(5).co_await()?;
///     server.close();
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
#[must_use = "it listens only when it is awaited"]
pub struct StartServer<F, T> {
    callback: F,
    target: T,
    limit: usize,
    options: ServeOptions,
    #[cfg(feature = "tls")]
    tls: Option<Tls>,
}

/// Listens, and runs `callback` in a task of its own for each client, with a reader and a writer;
/// `asyncio.start_server()`.
///
/// The target is an address, in any form that [`ToAddresses`] knows, or a socket that is bound already. The server goes on
/// until it is closed.
///
/// What a client's task raises is told to the exception handler, as "Unhandled exception in client_connected_cb", and
/// ends the connection; so does the end of the task, if it kept no handle on the writer.
///
/// # Errors
/// When awaited: the system's, with the address in front; those of [`ToAddresses`].
///
/// # Cancellation
/// The sockets are closed.
///
/// ```
/// use coro_core::{StreamReader, StreamWriter, open_connection, start_server, prelude::*};
/// async_fn! {
///     async fn echo(reader: StreamReader, writer: StreamWriter) {
///         async for line in reader {
///             writer.write(&line)?;
///             await!(writer.drain());
///         }
///     }
///     async fn program() {
///         let server = await!(start_server(echo, "127.0.0.1:0"));
///         let (mut reader, writer) = await!(open_connection(server.local_addrs()[0]));
///         writer.write(b"one\ntwo\n")?;
///         writer.write_eof();
///         assert_eq!(await!(reader.read_to_end()), b"one\ntwo\n");
///         server.close();
///         await!(server.wait_closed());
///     }
/// }
/// coro_core::run(program())?;
/// # Ok::<(), Error>(())
/// ```
pub fn start_server<F, A, T>(callback: F, target: T) -> StartServer<F, T>
where
    F: Fn(StreamReader, StreamWriter) -> A + 'static,
    A: Awaitable + 'static,
    A::Output: 'static,
    T: ServeTarget,
{
    StartServer {
        callback,
        target,
        limit: DEFAULT_LIMIT,
        options: ServeOptions::default(),
        #[cfg(feature = "tls")]
        tls: None,
    }
}

/// Listens at a Unix socket; `asyncio.start_unix_server()`. Otherwise as [`start_server`].
///
/// A socket that is there already is replaced. Closing the server removes it.
///
/// # Errors
/// When awaited: the system's, with the path in front.
///
/// # Cancellation
/// The socket is closed.
///
/// ```
/// use coro_core::{start_unix_server, prelude::*};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("socket");
/// coro_core::run(coroutine(|| {
///     let server = start_unix_server(|_, _| coroutine(|| Ok(())), &path).co_await()?;
///     assert!(path.exists());
///     server.close();
///     assert!(!path.exists());
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
#[cfg(unix)]
pub fn start_unix_server<F, A>(callback: F, path: impl AsRef<std::path::Path>) -> StartServer<F, UnixPath>
where
    F: Fn(StreamReader, StreamWriter) -> A + 'static,
    A: Awaitable + 'static,
    A::Output: 'static,
{
    start_server(callback, UnixPath::new(path))
}

impl<F, T> StartServer<F, T> {
    /// The limit of the clients' readers, in bytes: see [`StreamReader::with_limit`].
    ///
    /// ```
    /// # use coro_core::{start_server, prelude::*};
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let server = start_server(|_, _| coroutine(|| Ok(())), "127.0.0.1:0").limit(1024).co_await()?;
    /// # server.close();
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Encrypts the connections of all clients; `ssl=`. See [`tls`](crate::tls) for an example.
    ///
    /// `callback` runs when a client's handshake is over. One whose handshake fails is sent away, which debug mode tells.
    ///
    /// ```
    /// use coro_core::{start_server, tls::{Tls, rustls}, prelude::*};
    /// # use std::sync::Arc;
    /// # let made = rcgen::generate_simple_self_signed(["kitchen".to_owned()])?;
    /// # let key = rustls::pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    /// # let ring = Arc::new(rustls::crypto::ring::default_provider());
    /// # let config = Arc::new(rustls::ServerConfig::builder_with_provider(ring)
    /// #     .with_safe_default_protocol_versions()?.with_no_client_auth()
    /// #     .with_single_cert(vec![made.cert.der().clone()], key.into())?);
    /// coro_core::run(coroutine(|| {
    ///     let tls = Tls::server(config).handshake_timeout(secs(10));
    ///     let server = start_server(|_, _| coroutine(|| Ok(())), "127.0.0.1:0").tls(tls).co_await()?;
    ///     server.close();
    ///     Ok(())
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: impl Into<Tls>) -> Self {
        self.tls = Some(tls.into());
        self
    }
}

serve_options!(
    [F, T] StartServer<F, T>,
    "let serving = start_server(|_, _| coroutine(|| Ok(())), \"127.0.0.1:0\");"
);

impl<F, A, T> Awaitable for StartServer<F, T>
where
    F: Fn(StreamReader, StreamWriter) -> A + 'static,
    A: Awaitable + 'static,
    A::Output: 'static,
    T: ServeTarget,
{
    type Output = Server;

    fn co_await(self) -> Result<Server> {
        let Self { callback, target, limit, options, .. } = self;
        StreamReader::with_limit(limit)?; // says what is wrong with it
        let serve_client: ClientConnected = Rc::new(move |reader, writer, transport| {
            let transport = transport.clone();
            create_task(callback(reader, writer))
                .add_done_callback(move |task| task_ended(&transport, task.exception()));
        });
        let core = running_core()?;
        let factory = move || -> Rc<dyn Protocol> {
            StreamReaderProtocol::for_client(StreamReader::sized(limit), Rc::clone(&serve_client))
        };
        #[cfg(feature = "tls")]
        if let Some(tls) = self.tls {
            let own = Rc::clone(&core);
            let factory = Rc::new(move || crate::tls::wrap(&own, tls.clone(), factory()));
            return serve(&core, factory, target, &options);
        }
        serve(&core, Rc::new(factory), target, &options)
    }

    fn __origin(&self) -> Origins {
        Origins(Origin::named(|| "start_server"))
    }
}

impl<F, T: Debug> Debug for StartServer<F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StartServer").field(&self.target).finish()
    }
}

into_future! {
    [T: ConnectTarget + 'static] OpenConnection<T> => (StreamReader, StreamWriter);
    [F: Fn(StreamReader, StreamWriter) -> A + 'static, A: Awaitable<Output: 'static> + 'static, T: ServeTarget + 'static] StartServer<F, T> => Server;
}
