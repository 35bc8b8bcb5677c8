//! How connections and servers come to be encrypted, and [`EventLoop::start_tls`].

use std::fmt::{self, Debug};
use std::io;
use std::rc::Rc;

use super::machine::TlsProtocol;
use super::options::Tls;
use super::transport::TlsTransport;
use crate::compat::into_future;
use crate::coroutine::{Awaitable, Coroutine, Origins};
use crate::definition::{Definition, Origin};
use crate::error::Result;
use crate::events::{EventLoop, LoopCore};
use crate::future::Future;
use crate::transport::{
    ConnectTarget, CreateConnection, CreateServer, Object, Protocol, ServeTarget, Transport,
};

/// What [`CreateConnection::tls`] returns.
///
/// ```
/// use coro_core::{Protocol, tls::{Tls, rustls}, prelude::*};
/// # use std::sync::Arc;
/// struct Quiet;
/// impl Protocol for Quiet {}
/// # let ring = Arc::new(rustls::crypto::ring::default_provider());
/// # let config = Arc::new(rustls::ClientConfig::builder_with_provider(ring)
/// #     .with_safe_default_protocol_versions()?
/// #     .with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth());
/// coro_core::run(coroutine(|| {
///     let event_loop = get_running_loop()?;
///     let tls = Tls::client(config, "no such name");
///     let connecting = event_loop.create_connection(|| Quiet, "127.0.0.1:1").tls(tls);
///     let error = connecting.co_await().err().unwrap();
///     assert!(error.to_string().starts_with("server name \"no such name\""));
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
#[must_use = "it connects only when it is awaited"]
pub struct ConnectTls<F, T> {
    connecting: CreateConnection<F, T>,
    tls: Tls,
}

/// The examples of this file have the configurations `client_config` and `server_config`, and a protocol `Quiet`.
macro_rules! example {
    ($($line:literal),+) => {
        concat!(
            "```\nuse coro_core::{Protocol, tls::{Tls, rustls}, prelude::*};\n# use std::{rc::Rc, sync::Arc};\n",
            "# struct Quiet;\n# impl Protocol for Quiet {}\n",
            "# let made = rcgen::generate_simple_self_signed([\"kitchen\".to_owned()])?;\n",
            "# let key = rustls::pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());\n",
            "# let ring = Arc::new(rustls::crypto::ring::default_provider());\n",
            "# let server_config = Arc::new(rustls::ServerConfig::builder_with_provider(ring.clone())\n",
            "#     .with_safe_default_protocol_versions()?.with_no_client_auth()\n",
            "#     .with_single_cert(vec![made.cert.der().clone()], key.into())?);\n",
            "# let mut roots = rustls::RootCertStore::empty();\n",
            "# roots.add(made.cert.der().clone())?;\n",
            "# let client_config = Arc::new(rustls::ClientConfig::builder_with_provider(ring)\n",
            "#     .with_safe_default_protocol_versions()?.with_root_certificates(roots).with_no_client_auth());\n",
            "coro_core::run(coroutine(|| {\n",
            "    let event_loop = get_running_loop()?;\n",
            $("    ", $line, "\n",)+
            "    Ok(())\n}))?;\n# Ok::<(), Error>(())\n```"
        )
    };
}

impl<F, T> CreateConnection<F, T> {
    /// Encrypts the connection. The protocol is told of it when the handshake is over.
    ///
    /// # Errors
    /// When awaited, besides those of connecting: [`ValueError`](crate::ValueError) for a name that is none; an
    /// [`io::Error`] of kind `InvalidData`, with a `rustls::Error` inside, if the handshake fails; of kind
    /// `ConnectionReset` if the other side closes during the handshake, `ConnectionAborted` if that takes too long.
    ///
    /// # Cancellation
    /// The connection is closed.
    ///
    #[doc = example!(
        "let server = event_loop.create_server(|| Quiet, \"127.0.0.1:0\").tls(server_config).co_await()?;",
        "let tls = Tls::client(client_config, \"kitchen\");",
        "let connecting = event_loop.create_connection(|| Quiet, server.local_addrs()[0]).tls(tls);",
        "let (transport, _protocol) = connecting.co_await()?;",
        "assert!(transport.tls().is_some());",
        "transport.close();",
        "server.close();"
    )]
    pub fn tls(self, tls: impl Into<Tls>) -> ConnectTls<F, T> {
        ConnectTls { connecting: self, tls: tls.into() }
    }
}

impl<F, T, P> Awaitable for ConnectTls<F, T>
where
    F: FnOnce() -> P,
    T: ConnectTarget,
    P: Protocol,
{
    type Output = (Transport, Rc<P>);

    fn co_await(self) -> Result<(Transport, Rc<P>)> {
        let Self { connecting, tls } = self;
        tls.check()?;
        let mut made = None;
        let shaken = Future::on(Rc::clone(connecting.core()));
        let core = Rc::clone(connecting.core());
        let waiter = shaken.clone();
        let kept = &mut made;
        let connecting = connecting.with_factory(|factory| {
            move || {
                let protocol = kept.insert(Rc::new(factory()));
                let told = Rc::clone(protocol) as Rc<dyn Protocol>;
                TlsProtocol(TlsTransport::new(&core, tls, told, Some(waiter), false))
            }
        });
        let (_, below) = connecting.co_await()?;
        let protocol = made.expect("the connection has called its factory");
        let transport = Transport { object: Rc::clone(&below.0) as Rc<dyn Object> };
        match (&shaken).co_await() {
            Ok(()) => Ok((transport, protocol)),
            Err(error) => {
                transport.abort();
                Err(error)
            }
        }
    }

    fn __origin(&self) -> Origins {
        Origins(Origin::named(|| "create_connection"))
    }
}

into_future! {
    [F: FnOnce() -> P + 'static, T: ConnectTarget + 'static, P: Protocol] ConnectTls<F, T> => (Transport, Rc<P>);
}

impl<F, T> Debug for ConnectTls<F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} with {:?}", self.connecting, self.tls)
    }
}

impl<T: ServeTarget> CreateServer<T> {
    /// Encrypts the connections of all clients. A client's protocol is told of it when its handshake is over; one whose
    /// handshake fails is sent away, which debug mode tells.
    ///
    #[doc = example!(
        "let server = event_loop.create_server(|| Quiet, \"127.0.0.1:0\").tls(server_config).co_await()?;",
        "server.close();"
    )]
    pub fn tls(self, tls: impl Into<Tls>) -> Self {
        let (core, tls) = (Rc::clone(self.core()), tls.into());
        self.with_factory(|factory| Rc::new(move || wrap(&core, tls.clone(), factory())))
    }
}

/// A protocol that encrypts the connection that `protocol` is told of.
pub(crate) fn wrap(core: &Rc<LoopCore>, tls: Tls, protocol: Rc<dyn Protocol>) -> Rc<dyn Protocol> {
    Rc::new(TlsProtocol(TlsTransport::new(core, tls, protocol, None, false)))
}

/// Encrypts the connection of `below`, which `protocol` has been told of. `came` is what was read of it already.
pub(crate) fn start(
    below: &Transport,
    protocol: Rc<dyn Protocol>,
    tls: Tls,
    came: Vec<u8>,
) -> Result<Transport> {
    tls.check()?;
    if below.is_closing() {
        return Err(io::Error::new(io::ErrorKind::ConnectionReset, "Connection lost").into());
    }
    let core = below.core();
    let shaken = Future::on(Rc::clone(core));
    let above = TlsTransport::new(core, tls, protocol, Some(shaken.clone()), true);
    above.incoming.replace(came);
    // What comes meanwhile is none of the old protocol's, and too early for the new one.
    below.pause_reading();
    below.set_protocol(Rc::new(TlsProtocol(Rc::clone(&above))));
    let (begun, first, second) = (Rc::clone(&above), below.clone(), below.clone());
    let begins = core.handle().call_soon(move || begun.begin(&first));
    let resumes = core.handle().call_soon(move || second.resume_reading());
    match (&shaken).co_await() {
        Ok(()) => Ok(Transport { object: above }),
        Err(error) => {
            begins.cancel();
            resumes.cancel();
            below.close();
            Err(error)
        }
    }
}

impl EventLoop {
    /// Encrypts a connection from now on; `loop.start_tls(transport, protocol, sslcontext)`. Awaited, it gives the
    /// transport that `protocol` is to use from then on; `connection_made` is not called again.
    ///
    /// Nobody may write to `transport` meanwhile, or later.
    ///
    /// # Errors
    /// When awaited: those of [`CreateConnection::tls`](crate::CreateConnection::tls); of kind `ConnectionReset` if the
    /// connection is closed already. The connection is closed then.
    ///
    /// # Cancellation
    /// The connection is closed.
    ///
    #[doc = example!(
        "let (near, far) = std::os::unix::net::UnixStream::pair()?;",
        "let (near, own) = event_loop.create_connection(|| Quiet, near).co_await()?;",
        "let (far, other) = event_loop.create_connection(|| Quiet, far).co_await()?;",
        "// Both say that they want to talk in private, and then:",
        "let client = event_loop.start_tls(&near, own, Tls::client(client_config, \"kitchen\"));",
        "let server = event_loop.start_tls(&far, other, server_config);",
        "let (near, far) = gather((client, server)).co_await()?;",
        "assert!(near.tls().is_some() && far.tls().is_some());",
        "near.close();"
    )]
    #[track_caller]
    pub fn start_tls<L: Into<Tls>>(
        &self,
        transport: &Transport,
        protocol: Rc<dyn Protocol>,
        tls: L,
    ) -> Coroutine<impl FnOnce() -> Result<Transport> + use<L>> {
        static DEFINITION: Definition = Definition::new("EventLoop::start_tls", file!(), line!());
        let (transport, tls) = (transport.clone(), tls.into());
        Coroutine::named(&DEFINITION, move || start(&transport, protocol, tls, Vec::new()))
    }
}
