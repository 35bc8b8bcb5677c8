//! [`TlsInfo`]: what was agreed on.

use std::any::Any;
use std::fmt::{self, Debug};
use std::rc::Rc;

use rustls::pki_types::CertificateDer;
use rustls::{Connection, ProtocolVersion, SupportedCipherSuite};

use super::transport::TlsTransport;
use crate::transport::Transport;

/// What both sides of an encrypted connection have agreed on, and who the other one is; `get_extra_info("peercert")` and
/// its like. [`Transport::tls`] and [`StreamWriter::tls`](crate::StreamWriter::tls) give it.
///
/// ```
/// use coro_core::{tls::{TlsInfo, rustls}, prelude::*};
/// fn is_modern(info: &TlsInfo) -> bool {
///     info.protocol_version() == Some(rustls::ProtocolVersion::TLSv1_3)
/// }
/// # let (near, far) = std::os::unix::net::UnixStream::pair()?;
/// # coro_core::run(coroutine(|| {
/// let (_reader, writer) = open_connection(near).co_await()?;
/// assert!(!writer.tls().is_some_and(|info| is_modern(&info))); // it is not encrypted at all
/// # Ok(())
/// # }))?;
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone)]
pub struct TlsInfo(Rc<Agreed>);

struct Agreed {
    version: Option<ProtocolVersion>,
    suite: Option<SupportedCipherSuite>,
    alpn: Option<Vec<u8>>,
    certificates: Vec<CertificateDer<'static>>,
    server_name: Option<String>,
}

/// The examples of this file have the `info` of a client, and the `server_info` of its server.
macro_rules! example {
    ($($line:literal),+) => {
        concat!(
            "```\n# use coro_core::{tls::{Tls, rustls}, prelude::*};\n# use std::sync::Arc;\n",
            "# let made = rcgen::generate_simple_self_signed([\"kitchen\".to_owned()])?;\n",
            "# let key = rustls::pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());\n",
            "# let ring = Arc::new(rustls::crypto::ring::default_provider());\n",
            "# let mut server = rustls::ServerConfig::builder_with_provider(ring.clone())\n",
            "#     .with_safe_default_protocol_versions()?.with_no_client_auth()\n",
            "#     .with_single_cert(vec![made.cert.der().clone()], key.into())?;\n",
            "# server.alpn_protocols = vec![b\"eggs/1\".to_vec()];\n",
            "# let mut roots = rustls::RootCertStore::empty();\n",
            "# roots.add(made.cert.der().clone())?;\n",
            "# let mut client = rustls::ClientConfig::builder_with_provider(ring)\n",
            "#     .with_safe_default_protocol_versions()?.with_root_certificates(roots).with_no_client_auth();\n",
            "# client.alpn_protocols = vec![b\"eggs/1\".to_vec()];\n",
            "# let (near, far) = std::os::unix::net::UnixStream::pair()?;\n",
            "# coro_core::run(coroutine(|| {\n",
            "# let open_server = open_connection(far).tls(Tls::server(Arc::new(server)));\n",
            "# let open_client = open_connection(near).tls(Tls::client(Arc::new(client), \"kitchen\"));\n",
            "# let ((_r, server), (_s, writer)) = gather((open_server, open_client)).co_await()?;\n",
            "# let server_info = server.tls().unwrap();\n",
            "let info = writer.tls().unwrap();\n",
            $($line, "\n",)+
            "# drop(server_info);\n# Ok(())\n# }))?;\n# Ok::<(), Error>(())\n```"
        )
    };
}

impl TlsInfo {
    /// When the handshake is over.
    pub(super) fn of(connection: &Connection) -> Self {
        let server_name = match connection {
            Connection::Server(server) => server.server_name().map(str::to_owned),
            Connection::Client(_) => None,
        };
        let certificates = connection.peer_certificates().unwrap_or_default();
        Self(Rc::new(Agreed {
            version: connection.protocol_version(),
            suite: connection.negotiated_cipher_suite(),
            alpn: connection.alpn_protocol().map(<[u8]>::to_vec),
            certificates: certificates.iter().map(|certificate| certificate.clone().into_owned()).collect(),
            server_name,
        }))
    }

    /// The version of TLS; `ssl_object.version()`.
    ///
    #[doc = example!("assert_eq!(info.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));")]
    pub fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.0.version
    }

    /// The cipher suite; `get_extra_info("cipher")`.
    ///
    #[doc = example!("assert!(format!(\"{:?}\", info.cipher_suite().unwrap().suite()).starts_with(\"TLS13_\"));")]
    pub fn cipher_suite(&self) -> Option<SupportedCipherSuite> {
        self.0.suite
    }

    /// The protocol that both sides speak, if they have named some; `ssl_object.selected_alpn_protocol()`.
    ///
    #[doc = example!("assert_eq!(info.alpn_protocol(), Some(&b\"eggs/1\"[..]));")]
    pub fn alpn_protocol(&self) -> Option<&[u8]> {
        self.0.alpn.as_deref()
    }

    /// The certificates of the other side, its own first; none of a client that was not asked;
    /// `get_extra_info("peercert")`.
    ///
    #[doc = example!("assert_eq!(info.peer_certificates()[0], *made.cert.der());",
        "assert!(server_info.peer_certificates().is_empty());")]
    pub fn peer_certificates(&self) -> &[CertificateDer<'static>] {
        &self.0.certificates
    }

    /// For servers: the name that the client has asked for.
    ///
    #[doc = example!("assert_eq!(server_info.server_name(), Some(\"kitchen\"));")]
    pub fn server_name(&self) -> Option<&str> {
        self.0.server_name.as_deref()
    }
}

impl Debug for TlsInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsInfo")
            .field("protocol_version", &self.0.version)
            .field("cipher_suite", &self.0.suite.map(|suite| suite.suite()))
            .finish_non_exhaustive()
    }
}

impl Transport {
    /// What was agreed on, if it is encrypted.
    ///
    #[doc = example!("assert!(writer.transport().tls().is_some());", "assert!(!info.peer_certificates().is_empty());")]
    pub fn tls(&self) -> Option<TlsInfo> {
        let object: &dyn Any = &*self.object;
        object.downcast_ref::<TlsTransport>()?.info()
    }
}
