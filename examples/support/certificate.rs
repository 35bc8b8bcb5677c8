//! A certificate for one run, signed by itself.

use std::sync::Arc;

use coro_core::prelude::*;
use futures_rustls::TlsAcceptor;
use futures_rustls::rustls::{ServerConfig, crypto::ring, pki_types::PrivatePkcs8KeyDer};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// What a server with a new certificate for `name` needs, and what its clients have to trust.
pub fn for_server(name: &str) -> Result<(TlsAcceptor, TlsConfig)> {
    let made = rcgen::generate_simple_self_signed([name.to_owned()])?;
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())?;
    let root = Certificate::from_der(made.cert.der()).to_owned();
    let client = TlsConfig::builder().root_certs(RootCerts::new_with_certs(&[root])).build();
    Ok((TlsAcceptor::from(Arc::new(server)), client))
}
