//! Connections that are encrypted: TLS by [rustls], for the feature `tls`.
//!
//! What asyncio's `SSLContext` is, the configurations of rustls are: who is trusted, who one is, which versions and which
//! cryptography. This crate chooses none of it. [`Tls`] says which configuration a connection uses, and as whom. It is
//! given to
//!
//! - [`open_connection`](crate::open_connection) and [`start_server`](crate::start_server), by their method `tls`;
//! - [`StreamWriter::start_tls`](crate::StreamWriter::start_tls), when a connection becomes encrypted that was not;
//! - [`create_connection`](crate::EventLoop::create_connection) and [`create_server`](crate::EventLoop::create_server), by
//!   their method `tls`, and [`EventLoop::start_tls`](crate::EventLoop::start_tls), with protocols.
//!
//! The sockets of [`net`](crate::net) need none of this: rustls works on them unmodified, see [`TlsStream`].
//!
//! The end of a connection is asyncio's: when the other side says that it writes no more, or just closes, all that was
//! written is still sent, and then the connection is closed. There is no `write_eof`. Where it matters that nothing was
//! cut off, the protocol above must tell the end.
//!
//! ```
//! use coro_core::{StreamReader, StreamWriter, tls::Tls, prelude::*};
//! # use coro_core::tls::rustls;
//! # use std::sync::Arc;
//! # let made = rcgen::generate_simple_self_signed(["kitchen".to_owned()])?;
//! # let key = rustls::pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
//! # let ring = Arc::new(rustls::crypto::ring::default_provider());
//! # let server_config = Arc::new(
//! #     rustls::ServerConfig::builder_with_provider(ring.clone())
//! #         .with_safe_default_protocol_versions()?
//! #         .with_no_client_auth()
//! #         .with_single_cert(vec![made.cert.der().clone()], key.into())?,
//! # );
//! # let mut roots = rustls::RootCertStore::empty();
//! # roots.add(made.cert.der().clone())?;
//! # let client_config = Arc::new(
//! #     rustls::ClientConfig::builder_with_provider(ring)
//! #         .with_safe_default_protocol_versions()?
//! #         .with_root_certificates(roots)
//! #         .with_no_client_auth(),
//! # );
//! async_fn! {
//!     async fn shout(mut reader: StreamReader, writer: StreamWriter) {
//!         let line = await!(reader.readline());
//!         writer.write(&line.to_ascii_uppercase())?;
//!         writer.close();
//!     }
//! }
//! coro_core::run(coroutine(|| {
//!     // An `Arc<rustls::ServerConfig>`, and an `Arc<rustls::ClientConfig>`.
//!     let server = start_server(shout, "127.0.0.1:0").tls(server_config).co_await()?;
//!     let tls = Tls::client(client_config, "kitchen");
//!     let (mut reader, writer) = open_connection(server.local_addrs()[0]).tls(tls).co_await()?;
//!     writer.write(b"eggs\n")?;
//!     assert_eq!(reader.readline().co_await()?, b"EGGS\n");
//!     server.close();
//!     Ok(())
//! }))?;
//! # Ok::<(), Error>(())
//! ```
//
// Floor: above `transport/`, whose protocols and transports it implements, below streams.
//
//   protocol of the user ◄── TlsTransport ──► Session (rustls)
//                                 ▲ │
//            TlsProtocol ─────────┘ ▼
//                 ▲            Transport below
//                 └────────────────┘

mod connect;
mod info;
mod machine;
mod options;
mod session;
mod transport;

pub use connect::ConnectTls;
pub(crate) use connect::{start, wrap};
pub use info::TlsInfo;
pub use options::Tls;
/// The rustls that this is built on, so that versions cannot differ.
pub use rustls;

/// A socket with a connection of rustls over it, for code that reads and writes as std does: rustls's own type. The task
/// waits where std's socket would block the thread.
///
/// It takes any socket that is `Read` and `Write`, and the server's side too: `TlsStream<ServerConnection>`.
///
/// ```
/// use coro_core::{net::{TcpListener, TcpStream}, tls::{TlsStream, rustls}, prelude::*};
/// use rustls::{ClientConnection, ServerConnection};
/// use std::io::{Read, Write};
/// # use std::sync::Arc;
/// # let made = rcgen::generate_simple_self_signed(["kitchen".to_owned()])?;
/// # let key = rustls::pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
/// # let ring = Arc::new(rustls::crypto::ring::default_provider());
/// # let server_config = Arc::new(
/// #     rustls::ServerConfig::builder_with_provider(ring.clone())
/// #         .with_safe_default_protocol_versions()?
/// #         .with_no_client_auth()
/// #         .with_single_cert(vec![made.cert.der().clone()], key.into())?,
/// # );
/// # let mut roots = rustls::RootCertStore::empty();
/// # roots.add(made.cert.der().clone())?;
/// # let client_config = Arc::new(
/// #     rustls::ClientConfig::builder_with_provider(ring)
/// #         .with_safe_default_protocol_versions()?
/// #         .with_root_certificates(roots)
/// #         .with_no_client_auth(),
/// # );
/// coro_core::run(coroutine(|| {
///     let listener = TcpListener::bind("127.0.0.1:0")?;
///     let address = listener.local_addr()?;
///     let server = create_task(coroutine(move || {
///         let (socket, _) = listener.accept()?;
///         let mut stream = TlsStream::new(ServerConnection::new(server_config)?, socket);
///         stream.write_all(b"good morning")?;
///         stream.conn.send_close_notify();
///         Ok(stream.flush()?)
///     }));
///     let connection = ClientConnection::new(client_config, "kitchen".try_into()?)?;
///     let mut stream: TlsStream = TlsStream::new(connection, TcpStream::connect(address)?);
///     let mut text = String::new();
///     stream.read_to_string(&mut text)?;
///     assert_eq!(text, "good morning");
///     server.co_await()
/// }))?;
/// # Ok::<(), Error>(())
/// ```
pub type TlsStream<C = rustls::ClientConnection, S = crate::net::TcpStream> = rustls::StreamOwned<C, S>;
