//! Sockets of this machine alone, with a path for an address.

mod datagram;
mod stream;

use std::os::unix::net::SocketAddr;
use std::path::Path;

pub use datagram::UnixDatagram;
pub use stream::{IncomingUnix, UnixListener, UnixStream};

use crate::io::Hold;

/// What a wait for another socket of this machine means to a virtual clock: whether its process is this one.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn hold(socket: impl std::os::fd::AsFd) -> Hold {
    let own = rustix::process::getpid();
    match rustix::net::sockopt::socket_peercred(socket) {
        Ok(peer) if peer.pid == own => Hold::Moment,
        _ => Hold::RealTime,
    }
}

/// Here it is not known.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn hold<S>(_: S) -> Hold {
    Hold::Moment
}

/// An address in the message of an error.
fn name(address: &SocketAddr) -> String {
    match address.as_pathname() {
        Some(path) => path.display().to_string(),
        None => format!("{address:?}"),
    }
}

fn text(path: &Path) -> std::path::Display<'_> {
    path.display()
}
