//! Names and addresses: `loop.getaddrinfo()`, `loop.getnameinfo()`, and what stands for an address.
//!
//! The system's resolver is asked, in a thread of the loop's [`Executor`](crate::Executor), while the task waits. What needs no
//! question, such as `"127.0.0.1"`, goes to no thread. Off any loop these functions block, as std's do; in a callback, or in
//! a task made from a std future, they give an error instead.
//!
//! # Errors
//! An `io::Error` that leads to a [`LookupError`]; a [`RuntimeError`](crate::RuntimeError) where nothing can suspend.
//!
//! # Cancellation
//! Only the waiting is cancelled: the resolver goes on in its thread, and the end of `run` waits for it.
//!
//! ```
//! use coro_core::{dns, prelude::*};
//! async_fn! {
//!     async fn program() {
//!         let addresses = dns::resolve("localhost", 80)?;
//!         assert!(addresses.iter().any(|address| address.ip().is_loopback()));
//!         let error = Error::new(dns::resolve("name.invalid", 80).unwrap_err());
//!         assert_eq!(error.downcast_ref::<dns::LookupError>().unwrap().host(), "name.invalid");
//!     }
//! }
//! coro_core::run(program())?;
//! # Ok::<(), Error>(())
//! ```
//
// Floor: above the library.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use dns_lookup::LookupErrorKind;

use crate::coroutine::Coroutine;
use crate::definition::Definition;
use crate::error::{Error, Result, io_context};
use crate::events::EventLoop;
use crate::in_place::in_thread;

/// The numbers of the system for [`Hints`], [`AddrInfo`] and [`getnameinfo`].
macro_rules! constants {
    ($($(#[$doc:meta])* $name:ident or $windows:literal;)*) => {$(
        $(#[$doc])*
        ///
        /// ```
        #[doc = concat!("let number: i32 = coro_core::dns::", stringify!($name), ";")]
        /// assert!(number >= 0);
        /// ```
        #[cfg(unix)]
        pub const $name: i32 = libc::$name;
        $(#[$doc])*
        #[cfg(not(unix))]
        pub const $name: i32 = $windows;
    )*};
}

constants! {
    /// Of a family: any.
    AF_UNSPEC or 0;
    /// Of a family: IPv4.
    AF_INET or 2;
    /// Of a family: IPv6.
    AF_INET6 or 23;
    /// Of a kind: streams of bytes, such as TCP.
    SOCK_STREAM or 1;
    /// Of a kind: datagrams, such as UDP.
    SOCK_DGRAM or 2;
    /// Of a protocol: TCP.
    IPPROTO_TCP or 6;
    /// Of a protocol: UDP.
    IPPROTO_UDP or 17;
    /// A flag of [`getaddrinfo`]: without a host, addresses to listen at.
    AI_PASSIVE or 1;
    /// A flag of [`getaddrinfo`]: the canonical name too.
    AI_CANONNAME or 2;
    /// A flag of [`getaddrinfo`]: the host is an address, and nobody is asked.
    AI_NUMERICHOST or 4;
    /// A flag of [`getaddrinfo`]: only families of which this machine has an address.
    AI_ADDRCONFIG or 0x400;
    /// A flag of [`getnameinfo`]: the address, not the name of the host.
    NI_NUMERICHOST or 2;
    /// A flag of [`getnameinfo`]: the number of the port, not the name of the service.
    NI_NUMERICSERV or 8;
    /// A flag of [`getnameinfo`]: it is an error if the host has no name.
    NI_NAMEREQD or 4;
    /// A flag of [`getnameinfo`]: the service is one of datagrams.
    NI_DGRAM or 16;
}

/// A name that could not be resolved; Python's `socket.gaierror`.
///
/// ```
/// use coro_core::{dns, prelude::*};
/// coro_core::run(coroutine(|| {
///     let error = Error::new(dns::resolve("name.invalid", 80).unwrap_err());
///     assert!(error.to_string().starts_with("cannot resolve name.invalid: "));
///     assert!(error.is::<dns::LookupError>());
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot resolve {host}: {message}")]
pub struct LookupError {
    host: String,
    message: String,
    code: i32,
    temporary: bool,
}

impl LookupError {
    /// Which name it was.
    ///
    /// ```
    /// # use coro_core::{dns, prelude::*};
    /// let error = Error::new(dns::resolve("name.invalid", 80).unwrap_err());
    /// assert_eq!(error.downcast_ref::<dns::LookupError>().unwrap().host(), "name.invalid");
    /// ```
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The number of the system, as `EAI_NONAME` of libc; `gaierror.errno`.
    ///
    /// ```
    /// # use coro_core::{dns, prelude::*};
    /// let error = Error::new(dns::resolve("name.invalid", 80).unwrap_err());
    /// assert_ne!(error.downcast_ref::<dns::LookupError>().unwrap().code(), 0);
    /// ```
    pub fn code(&self) -> i32 {
        self.code
    }

    /// Whether it may go better later: the servers could not be asked, or did not know.
    ///
    /// ```
    /// # use coro_core::{dns, prelude::*};
    /// let hints = dns::Hints { flags: dns::AI_NUMERICHOST, ..dns::Hints::default() };
    /// let error = Error::new(dns::getaddrinfo("no address", 80, hints).unwrap_err());
    /// assert!(!error.downcast_ref::<dns::LookupError>().unwrap().is_temporary());
    /// ```
    pub fn is_temporary(&self) -> bool {
        self.temporary
    }
}

/// What the resolver said about `host`, as an exception.
fn failed(error: dns_lookup::LookupError, host: &str) -> Error {
    let (kind, code, text) = (error.kind(), error.error_num(), error.to_string());
    match kind {
        // No answer of the resolver: such as a zero byte in the name, or a number of the system.
        LookupErrorKind::IO if code == 0 => io_context(error.into(), host).into(),
        LookupErrorKind::System => io_context(error.into(), host).into(),
        _ => {
            let message = text.rsplit_once("address information: ").map_or(&*text, |(_, message)| message);
            let temporary = matches!(kind, LookupErrorKind::Again);
            LookupError { host: host.to_owned(), message: message.to_owned(), code, temporary }.into()
        }
    }
}

/// What is asked for; zero stands for anything.
///
/// ```
/// use coro_core::dns::{AF_INET, Hints, SOCK_STREAM};
/// let hints = Hints { family: AF_INET, kind: SOCK_STREAM, ..Hints::default() };
/// assert_eq!(hints.flags, 0);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hints {
    /// Such as [`AF_INET`].
    pub family: i32,
    /// Such as [`SOCK_STREAM`].
    pub kind: i32,
    /// Such as [`IPPROTO_TCP`].
    pub protocol: i32,
    /// Such as [`AI_PASSIVE`].
    pub flags: i32,
}

/// A port, by its number or by the name of its service.
///
/// ```
/// use coro_core::dns::Service;
/// assert_eq!(Service::from(80), Service::Port(80));
/// assert_eq!(Service::from("http"), Service::Name("http"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service<'a> {
    /// None; the port of the addresses is 0.
    None,
    /// A number.
    Port(u16),
    /// A name, or a number as text.
    Name(&'a str),
}

impl From<u16> for Service<'_> {
    fn from(port: u16) -> Self {
        Self::Port(port)
    }
}

impl<'a> From<&'a str> for Service<'a> {
    fn from(name: &'a str) -> Self {
        Self::Name(name)
    }
}

impl Service<'_> {
    fn text(self) -> Option<String> {
        match self {
            Self::None => None,
            Self::Port(port) => Some(port.to_string()),
            Self::Name(name) => Some(name.to_owned()),
        }
    }
}

/// One way to reach what [`getaddrinfo`] was asked for.
///
/// ```
/// use coro_core::{dns, prelude::*};
/// let hints = dns::Hints { kind: dns::SOCK_STREAM, ..dns::Hints::default() };
/// let found: Vec<dns::AddrInfo> = dns::getaddrinfo("127.0.0.1", 80, hints)?;
/// assert_eq!(found[0].address, "127.0.0.1:80".parse().unwrap());
/// assert_eq!((found[0].family, found[0].kind), (dns::AF_INET, dns::SOCK_STREAM));
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddrInfo {
    /// Such as [`AF_INET`].
    pub family: i32,
    /// Such as [`SOCK_STREAM`].
    pub kind: i32,
    /// Such as [`IPPROTO_TCP`].
    pub protocol: i32,
    /// Of the first one, if [`AI_CANONNAME`] asked for it.
    pub canonical_name: Option<String>,
    /// The address and the port.
    pub address: SocketAddr,
}

/// The addresses of a host and a service; `loop.getaddrinfo()`. What they are, and in which order, says the system.
///
/// Without a host they are those of this machine.
///
/// # Errors
/// As the [module](self) says.
///
/// # Cancellation
/// Only the waiting is cancelled.
///
/// ```
/// use coro_core::{dns, prelude::*};
/// coro_core::run(coroutine(|| {
///     let hints = dns::Hints { family: dns::AF_INET, kind: dns::SOCK_STREAM, ..dns::Hints::default() };
///     let found = dns::getaddrinfo("localhost", 80, hints)?;
///     assert_eq!(found[0].address, "127.0.0.1:80".parse()?);
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
pub fn getaddrinfo<'a>(
    host: impl Into<Option<&'a str>>,
    service: impl Into<Service<'a>>,
    hints: Hints,
) -> io::Result<Vec<AddrInfo>> {
    Ok(find(host.into().map(str::to_owned), service.into().text(), hints)?)
}

fn is_address(host: &str) -> bool {
    host.parse::<IpAddr>().is_ok()
}

fn find(host: Option<String>, service: Option<String>, mut hints: Hints) -> Result<Vec<AddrInfo>> {
    let plain_service = service.as_deref().is_none_or(|service| service.parse::<u16>().is_ok());
    if plain_service && host.as_deref().is_none_or(is_address) {
        // Nobody has to be asked: this does not block.
        if host.is_some() {
            hints.flags |= AI_NUMERICHOST;
        }
        return ask(host.as_deref(), service.as_deref(), hints);
    }
    in_thread(move || ask(host.as_deref(), service.as_deref(), hints))?
}

/// Asks the resolver, and blocks.
fn ask(host: Option<&str>, service: Option<&str>, hints: Hints) -> Result<Vec<AddrInfo>> {
    let Hints { family, kind, protocol, flags } = hints;
    let hints = dns_lookup::AddrInfoHints { address: family, socktype: kind, protocol, flags };
    let found = dns_lookup::getaddrinfo(host, service, Some(hints));
    let found = found.map_err(|error| failed(error, host.or(service).unwrap_or_default()))?;
    let made = |info: dns_lookup::AddrInfo| AddrInfo {
        family: info.address,
        kind: info.socktype,
        protocol: info.protocol,
        canonical_name: info.canonname,
        address: info.sockaddr,
    };
    Ok(found.map(|info| info.map(made)).collect::<io::Result<_>>()?)
}

/// The names of a host and a service, by address and port; `loop.getnameinfo()`.
///
/// # Errors
/// As the [module](self) says.
///
/// # Cancellation
/// Only the waiting is cancelled.
///
/// ```
/// use coro_core::{dns, prelude::*};
/// coro_core::run(coroutine(|| {
///     let flags = dns::NI_NUMERICHOST | dns::NI_NUMERICSERV; // as text, then: nobody is asked
///     let (host, port) = dns::getnameinfo("127.0.0.1:80".parse()?, flags)?;
///     assert_eq!((&*host, &*port), ("127.0.0.1", "80"));
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
pub fn getnameinfo(address: SocketAddr, flags: i32) -> io::Result<(String, String)> {
    Ok(find_name(address, flags)?)
}

fn find_name(address: SocketAddr, flags: i32) -> Result<(String, String)> {
    let ask =
        move || dns_lookup::getnameinfo(&address, flags).map_err(|error| failed(error, &address.to_string()));
    let numeric = NI_NUMERICHOST | NI_NUMERICSERV;
    if flags & numeric == numeric { ask() } else { in_thread(ask)? }
}

impl EventLoop {
    /// The addresses of a host and a service; `loop.getaddrinfo()`. See [`dns::getaddrinfo`](getaddrinfo).
    ///
    /// # Errors
    /// When awaited: [`LookupError`].
    ///
    /// # Cancellation
    /// Only the waiting is cancelled.
    ///
    /// ```
    /// use coro_core::{dns::{AF_INET, Hints, SOCK_STREAM}, prelude::*};
    /// coro_core::run(coroutine(|| {
    ///     let hints = Hints { family: AF_INET, kind: SOCK_STREAM, ..Hints::default() };
    ///     let found = get_running_loop()?.getaddrinfo("localhost", 80, hints).co_await()?;
    ///     assert!(found[0].address.ip().is_loopback());
    ///     Ok(())
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn getaddrinfo<'a>(
        &self,
        host: impl Into<Option<&'a str>>,
        service: impl Into<Service<'a>>,
        hints: Hints,
    ) -> Coroutine<impl FnOnce() -> Result<Vec<AddrInfo>> + 'static> {
        static DEFINITION: Definition = Definition::new("EventLoop::getaddrinfo", file!(), line!());
        let (host, service) = (host.into().map(str::to_owned), service.into().text());
        Coroutine::named(&DEFINITION, move || find(host, service, hints))
    }

    /// The names of a host and a service; `loop.getnameinfo()`. See [`dns::getnameinfo`](getnameinfo).
    ///
    /// # Errors
    /// When awaited: [`LookupError`].
    ///
    /// # Cancellation
    /// Only the waiting is cancelled.
    ///
    /// ```
    /// use coro_core::{dns, prelude::*};
    /// coro_core::run(coroutine(|| {
    ///     let address = "127.0.0.1:80".parse()?;
    ///     let names = get_running_loop()?.getnameinfo(address, dns::NI_NUMERICHOST).co_await()?;
    ///     assert_eq!(names.0, "127.0.0.1");
    ///     Ok(())
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn getnameinfo(
        &self,
        address: SocketAddr,
        flags: i32,
    ) -> Coroutine<impl FnOnce() -> Result<(String, String)> + use<>> {
        static DEFINITION: Definition = Definition::new("EventLoop::getnameinfo", file!(), line!());
        Coroutine::named(&DEFINITION, move || find_name(address, flags))
    }
}

/// The addresses at which streams of bytes reach a host, each once, in the order of the system.
///
/// # Errors
/// As the [module](self) says.
///
/// # Cancellation
/// Only the waiting is cancelled.
///
/// ```
/// use coro_core::dns;
/// // An address is its own: nobody is asked.
/// assert_eq!(dns::resolve("::1", 80)?, ["[::1]:80".parse().unwrap()]);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![(address, port).into()]);
    }
    let hints = Hints { kind: SOCK_STREAM, ..Hints::default() };
    let found = find(Some(host.to_owned()), Some(port.to_string()), hints)?;
    let mut addresses = Vec::new();
    for info in found {
        if !addresses.contains(&info.address) {
            addresses.push(info.address);
        }
    }
    Ok(addresses)
}

/// What stands for addresses of sockets; std's `ToSocketAddrs`, without blocking the loop.
///
/// Implemented for addresses, for `"host:port"`, for pairs of a host and a port, and for slices, arrays and vectors of
/// addresses. A type of your own may suspend in it.
///
/// ```
/// use coro_core::{dns::ToAddresses, prelude::*};
/// coro_core::run(coroutine(|| {
///     assert_eq!("127.0.0.1:80".to_addresses()?, [([127, 0, 0, 1], 80).into()]);
///     assert_eq!(("127.0.0.1", 80).to_addresses()?, "127.0.0.1:80".to_addresses()?);
///     assert!("localhost:80".to_addresses()?.iter().any(|address| address.ip().is_loopback()));
///     let several = ["127.0.0.1:80".parse::<std::net::SocketAddr>()?, "[::1]:80".parse()?];
///     assert_eq!(several.to_addresses()?, several.to_vec().to_addresses()?);
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
pub trait ToAddresses {
    /// The addresses, those to try first in front.
    ///
    /// # Errors
    /// As the [module](self) says; of kind `InvalidInput` for a text that is not of the form `host:port`.
    ///
    /// # Cancellation
    /// Only the waiting is cancelled.
    ///
    /// ```
    /// use coro_core::dns::ToAddresses;
    /// assert!("localhost".to_addresses().is_err()); // no port
    /// ```
    fn to_addresses(&self) -> io::Result<Vec<SocketAddr>>;
}

/// Types that are one address each.
macro_rules! are_addresses {
    ($($type:ty),*) => {$(
        impl ToAddresses for $type {
            fn to_addresses(&self) -> io::Result<Vec<SocketAddr>> {
                Ok(vec![(*self).into()])
            }
        }
    )*};
}

are_addresses!(SocketAddr, SocketAddrV4, SocketAddrV6, (IpAddr, u16), (Ipv4Addr, u16), (Ipv6Addr, u16));

impl ToAddresses for (&str, u16) {
    fn to_addresses(&self) -> io::Result<Vec<SocketAddr>> {
        resolve(self.0, self.1)
    }
}

impl ToAddresses for (String, u16) {
    fn to_addresses(&self) -> io::Result<Vec<SocketAddr>> {
        resolve(&self.0, self.1)
    }
}

impl ToAddresses for str {
    fn to_addresses(&self) -> io::Result<Vec<SocketAddr>> {
        if let Ok(address) = self.parse::<SocketAddr>() {
            return Ok(vec![address]);
        }
        let invalid = |why: &str| io::Error::new(ErrorKind::InvalidInput, format!("{self}: {why}"));
        let (host, port) = self.rsplit_once(':').ok_or_else(|| invalid("invalid socket address"))?;
        resolve(host, port.parse().map_err(|_| invalid("invalid port value"))?)
    }
}

impl ToAddresses for String {
    fn to_addresses(&self) -> io::Result<Vec<SocketAddr>> {
        self.as_str().to_addresses()
    }
}

impl ToAddresses for [SocketAddr] {
    fn to_addresses(&self) -> io::Result<Vec<SocketAddr>> {
        Ok(self.to_vec())
    }
}

impl<const N: usize> ToAddresses for [SocketAddr; N] {
    fn to_addresses(&self) -> io::Result<Vec<SocketAddr>> {
        self.as_slice().to_addresses()
    }
}

impl ToAddresses for Vec<SocketAddr> {
    fn to_addresses(&self) -> io::Result<Vec<SocketAddr>> {
        self.as_slice().to_addresses()
    }
}

impl<T: ToAddresses + ?Sized> ToAddresses for &T {
    fn to_addresses(&self) -> io::Result<Vec<SocketAddr>> {
        (**self).to_addresses()
    }
}
