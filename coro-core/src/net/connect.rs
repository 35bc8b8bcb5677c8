//! Connecting: one attempt, and one with each of several addresses, as `attempts.rs` has it.

use std::io;
use std::net::{self, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use super::attempts::{self, all_failed, interleave, outcome, staggered};
use crate::definition::Definition;
use crate::error::io_context;
use crate::events::running_core;
use crate::fiber::has_driver;
use crate::io::{Io, Side};

/// How long an attempt is alone before the next one begins.
const HEAD_START: Duration = Duration::from_millis(250);

type Connected = Io<net::TcpStream>;

/// A socket that does not block.
pub(super) fn socket(domain: Domain, kind: Type, protocol: Option<Protocol>) -> io::Result<Socket> {
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
    return Socket::new(domain, kind.nonblocking(), protocol);
    #[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
    {
        let socket = Socket::new(domain, kind, protocol)?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    }
}

/// A new socket for `address`.
pub(crate) fn stream_socket(address: SocketAddr) -> io::Result<Socket> {
    socket(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))
}

/// Connects to `address`, within `limit`.
pub(super) fn to_one(address: SocketAddr, limit: Option<Duration>) -> io::Result<Connected> {
    let connect = || finish(stream_socket(address)?, address, limit);
    connect().map_err(|error| io_context(error, address))
}

/// Connects `socket` to `address`, within `limit`.
pub(super) fn finish(socket: Socket, address: SocketAddr, limit: Option<Duration>) -> io::Result<Connected> {
    match socket.connect(&address.into()) {
        Err(error) if is_under_way(&error) => {}
        result => result?,
    }
    let io = Io::new(net::TcpStream::from(socket));
    io.set_limit(Side::Write, limit)?;
    let connected = |stream: &net::TcpStream| match (stream.take_error()?, stream.peer_addr()) {
        (Some(error), _) => Err(error),
        (None, Err(error)) if error.kind() == io::ErrorKind::NotConnected => {
            Err(io::ErrorKind::WouldBlock.into())
        }
        (None, result) => result.map(drop),
    };
    io.run(Side::Write, connected, |()| false)?;
    io.set_limit(Side::Write, None)?;
    io.note_connected();
    Ok(io)
}

/// Whether `connect` goes on by itself.
pub(crate) fn is_under_way(error: &io::Error) -> bool {
    #[cfg(unix)]
    return matches!(error.raw_os_error(), Some(libc::EINPROGRESS | libc::EINTR));
    #[cfg(not(unix))]
    return error.kind() == io::ErrorKind::WouldBlock;
}

/// Connects to one of `addresses`: on a loop staggered, elsewhere to one after the other.
pub(super) fn to_any(addresses: Vec<SocketAddr>) -> io::Result<Connected> {
    static DEFINITION: Definition = Definition::new("TcpStream::connect", file!(), line!());
    match *addresses {
        [address] => to_one(address, None),
        _ if running_core().is_ok() && has_driver() => {
            let attempt = |address| outcome(to_one(address, None));
            let connected = staggered(&DEFINITION, HEAD_START, interleave(addresses, 1), attempt)?;
            Ok(connected.map_err(all_failed)?)
        }
        _ => in_turn(&addresses, |address| to_one(address, None)),
    }
}

/// Does `attempt` with one address after the other until it succeeds with one.
pub(super) fn in_turn<T>(
    addresses: &[SocketAddr],
    mut attempt: impl FnMut(SocketAddr) -> io::Result<T>,
) -> io::Result<T> {
    Ok(attempts::in_turn(addresses, |&address| outcome(attempt(address)))?.map_err(all_failed)?)
}
