//! [`Tls`]: with which configuration, as whom, and how long its steps may take.

use std::fmt::{self, Debug};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection};

use super::session::refused;
use crate::error::{Result, ValueError};

/// How a connection is encrypted; what asyncio says by `ssl=`, `server_hostname=`, `server_side=`,
/// `ssl_handshake_timeout=` and `ssl_shutdown_timeout=`.
///
/// An `Arc<ServerConfig>` becomes one, and so does a pair of an `Arc<ClientConfig>` and a name.
///
/// ```
/// use coro_core::{tls::{Tls, rustls}, prelude::*};
/// # use std::sync::Arc;
/// let provider = rustls::crypto::ring::default_provider();
/// let config = rustls::ClientConfig::builder_with_provider(Arc::new(provider))
///     .with_safe_default_protocol_versions()?
///     .with_root_certificates(rustls::RootCertStore::empty()) // trusts nobody
///     .with_no_client_auth();
/// let tls = Tls::client(Arc::new(config), "example.com").handshake_timeout(secs(5));
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone)]
pub struct Tls {
    side: Side,
    pub(super) handshake: Duration,
    pub(super) shutdown: Duration,
}

#[derive(Clone)]
enum Side {
    Client(Arc<ClientConfig>, String),
    Server(Arc<ServerConfig>),
}

/// The examples of this file have a `config` of a client.
macro_rules! example {
    ($($line:literal),+) => {
        concat!(
            "```\n# use coro_core::{tls::{Tls, rustls}, prelude::*};\n# use std::sync::Arc;\n",
            "# let provider = Arc::new(rustls::crypto::ring::default_provider());\n",
            "# let server = rustls::ServerConfig::builder_with_provider(provider.clone())\n",
            "#     .with_safe_default_protocol_versions()?.with_no_client_auth()\n",
            "#     .with_cert_resolver(Arc::new(rustls::server::ResolvesServerCertUsingSni::new()));\n",
            "# let server_config = Arc::new(server);\n",
            "# let config = Arc::new(rustls::ClientConfig::builder_with_provider(provider)\n",
            "#     .with_safe_default_protocol_versions()?\n",
            "#     .with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth());\n",
            $($line, "\n",)+
            "# drop(tls);\n# drop((config, server_config));\n# Ok::<(), Error>(())\n```"
        )
    };
}

impl Tls {
    /// As a client of a server with this name, or address: the server has to prove that it is that one.
    ///
    /// A name that is none is an error where this is used.
    ///
    #[doc = example!("let tls = Tls::client(config.clone(), \"example.com\");")]
    pub fn client(config: Arc<ClientConfig>, name: impl Into<String>) -> Self {
        Self::new(Side::Client(config, name.into()))
    }

    /// As a server.
    ///
    #[doc = example!("let tls = Tls::server(server_config.clone());")]
    pub fn server(config: Arc<ServerConfig>) -> Self {
        Self::new(Side::Server(config))
    }

    fn new(side: Side) -> Self {
        Self { side, handshake: Duration::from_secs(60), shutdown: Duration::from_secs(30) }
    }

    /// How long the handshake may take: a minute if nothing is said; `ssl_handshake_timeout=`.
    ///
    #[doc = example!("let tls = Tls::client(config.clone(), \"example.com\").handshake_timeout(secs(5));")]
    pub fn handshake_timeout(mut self, limit: Duration) -> Self {
        self.handshake = limit;
        self
    }

    /// How long a closed connection may wait for the other side to close too: 30 s if nothing is said;
    /// `ssl_shutdown_timeout=`.
    ///
    #[doc = example!("let tls = Tls::client(config.clone(), \"example.com\").shutdown_timeout(secs(1));")]
    pub fn shutdown_timeout(mut self, limit: Duration) -> Self {
        self.shutdown = limit;
        self
    }

    fn server_name(name: &str) -> Result<ServerName<'static>> {
        let parsed = ServerName::try_from(name.to_owned());
        parsed.map_err(|error| ValueError::new(format!("server name {name:?}: {error}")).into())
    }

    /// Whether it can be used.
    pub(crate) fn check(&self) -> Result<()> {
        for (what, limit) in [("handshake", self.handshake), ("shutdown", self.shutdown)] {
            if limit.is_zero() {
                let message = format!("the {what} timeout should be a positive number, got 0");
                return Err(ValueError::new(message).into());
            }
        }
        match &self.side {
            Side::Client(_, name) => Self::server_name(name).map(drop),
            Side::Server(_) => Ok(()),
        }
    }

    /// A connection that has not begun.
    pub(super) fn connection(&self) -> Result<Connection> {
        Ok(match &self.side {
            Side::Client(config, name) => {
                let name = Self::server_name(name)?;
                ClientConnection::new(Arc::clone(config), name).map_err(refused)?.into()
            }
            Side::Server(config) => ServerConnection::new(Arc::clone(config)).map_err(refused)?.into(),
        })
    }
}

impl From<Arc<ServerConfig>> for Tls {
    fn from(config: Arc<ServerConfig>) -> Self {
        Self::server(config)
    }
}

impl<N: Into<String>> From<(Arc<ClientConfig>, N)> for Tls {
    fn from((config, name): (Arc<ClientConfig>, N)) -> Self {
        Self::client(config, name)
    }
}

impl Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.side {
            Side::Client(_, name) => f.debug_tuple("Tls::client").field(name).finish(),
            Side::Server(_) => f.write_str("Tls::server"),
        }
    }
}
