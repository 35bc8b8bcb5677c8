//! Connecting: one attempt, and several at once.
//!
//! To a name with several addresses the connections are begun one after the other, the families in turn, each as soon
//! as the one before has failed or a quarter of a second has passed; the first to be there is taken (RFC 8305).

use std::collections::VecDeque;
use std::io;
use std::net::{self, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use crate::combinators::{ReturnWhen, wait};
use crate::coroutine::{Awaitable, Coroutine};
use crate::definition::Definition;
use crate::error::{Error, Result, io_context};
use crate::events::running_core;
use crate::fiber::has_driver;
use crate::io::{Io, Side};
use crate::task::{Task, cleanup, create_task};

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
pub(super) fn stream_socket(address: SocketAddr) -> io::Result<Socket> {
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

fn is_under_way(error: &io::Error) -> bool {
    #[cfg(unix)]
    return matches!(error.raw_os_error(), Some(libc::EINPROGRESS | libc::EINTR));
    #[cfg(not(unix))]
    return error.kind() == io::ErrorKind::WouldBlock;
}

/// Connects to one of `addresses`: on a loop as this file's head says, elsewhere to one after the other.
pub(super) fn to_any(addresses: Vec<SocketAddr>) -> io::Result<Connected> {
    match *addresses {
        [] => Err(nowhere()),
        [address] => to_one(address, None),
        _ if running_core().is_ok() && has_driver() => {
            Ok(staggered(interleave(addresses).into_iter().map(|address| move || to_one(address, None)))?)
        }
        _ => in_turn(&addresses, |address| to_one(address, None)),
    }
}

/// Does `attempt` with one address after the other until it succeeds with one.
pub(super) fn in_turn<T>(
    addresses: &[SocketAddr],
    mut attempt: impl FnMut(SocketAddr) -> io::Result<T>,
) -> io::Result<T> {
    let mut failures = Vec::new();
    for &address in addresses {
        match attempt(address).map_err(Error::new) {
            Ok(value) => return Ok(value),
            Err(error) if error.downcast_ref::<io::Error>().is_none() => return Err(error.into()),
            Err(error) => failures.push(error),
        }
    }
    if failures.is_empty() { Err(nowhere()) } else { Err(all_failed(failures).into()) }
}

pub(super) fn nowhere() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "could not resolve to any addresses")
}

/// The families in turn, beginning with that of the first.
fn interleave(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v4 = addresses.first().is_some_and(SocketAddr::is_ipv4);
    let (mut first, mut second): (VecDeque<_>, VecDeque<_>) =
        addresses.into_iter().partition(|address| address.is_ipv4() == first_is_v4);
    let mut mixed = Vec::with_capacity(first.len() + second.len());
    while !(first.is_empty() && second.is_empty()) {
        mixed.extend(first.pop_front());
        mixed.extend(second.pop_front());
    }
    mixed
}

/// Runs `attempts` as tasks, each begun when the one before has failed or had its head start. The first success is
/// taken; the others are cancelled, and have ended when this returns.
fn staggered<T, F>(attempts: impl IntoIterator<Item = F>) -> Result<T>
where
    T: 'static,
    F: FnOnce() -> io::Result<T> + 'static,
{
    static DEFINITION: Definition = Definition::new("TcpStream::connect", file!(), line!());
    let mut attempts = attempts.into_iter().peekable();
    let mut running = Attempts(Vec::new());
    let mut failures = Vec::new();
    loop {
        if let Some(attempt) = attempts.next() {
            running.0.push(create_task(Coroutine::named(&DEFINITION, move || Ok(attempt()?))));
        } else if running.0.is_empty() {
            return Err(all_failed(failures));
        }
        let mut first = wait(&running.0).return_when(ReturnWhen::FirstCompleted);
        if attempts.peek().is_some() {
            first = first.timeout(HEAD_START);
        }
        first.co_await().map(drop)?;
        while let Some(index) = running.0.iter().position(|task| task.done()) {
            match running.0.remove(index).co_await() {
                Ok(value) => {
                    running.end()?;
                    return Ok(value);
                }
                Err(error) => failures.push(error),
            }
        }
    }
}

/// Attempts that run. They have ended when this is gone.
struct Attempts<T: 'static>(Vec<Task<T>>);

impl<T: 'static> Attempts<T> {
    fn end(&mut self) -> Result<()> {
        let running = std::mem::take(&mut self.0);
        for task in &running {
            task.cancel();
        }
        let left: Vec<&Task<T>> = running.iter().filter(|task| !task.done()).collect();
        let result = if left.is_empty() { Ok(()) } else { cleanup(|| wait(left).co_await().map(drop)) };
        // That it failed too is of no interest.
        running.iter().for_each(|task| drop(task.exception()));
        result
    }
}

impl<T: 'static> Drop for Attempts<T> {
    fn drop(&mut self) {
        // A cancellation that comes meanwhile is raised by the next await.
        let _ = self.end();
    }
}

/// What is raised when every attempt has failed, as asyncio does: the one error, or what all of them say.
fn all_failed(mut failures: Vec<Error>) -> Error {
    let texts: Vec<String> = failures.iter().map(ToString::to_string).collect();
    if texts.iter().all(|text| *text == texts[0]) {
        return failures.swap_remove(0);
    }
    let kind =
        |error: &Error| error.downcast_ref::<io::Error>().map_or(io::ErrorKind::Other, io::Error::kind);
    let first = kind(&failures[0]);
    let common = if failures.iter().all(|error| kind(error) == first) { first } else { io::ErrorKind::Other };
    io::Error::new(common, format!("Multiple exceptions: {}", texts.join(", "))).into()
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;
    use crate::combinators::{millis, secs, sleep};

    fn addresses(list: &[&str]) -> Vec<SocketAddr> {
        list.iter().map(|address| address.parse().unwrap()).collect()
    }

    #[test]
    fn the_families_are_tried_in_turn_beginning_with_that_of_the_first() {
        let mixed = interleave(addresses(&["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "2.2.2.2:1"]));
        assert_eq!(mixed, addresses(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "[::3]:1"]));
        assert_eq!(
            interleave(addresses(&["1.1.1.1:1", "2.2.2.2:1"])),
            addresses(&["1.1.1.1:1", "2.2.2.2:1"])
        );
    }

    type Log = Rc<RefCell<Vec<(u128, String)>>>;

    /// Says when it begins, ends and is cancelled.
    fn attempt(
        log: &Log,
        name: &'static str,
        takes: Duration,
        well: bool,
    ) -> impl FnOnce() -> io::Result<&'static str> + use<> {
        let log = Rc::clone(log);
        move || {
            let say = |what: &str| {
                let now = running_core().unwrap().clock.now().as_millis();
                log.borrow_mut().push((now, format!("{name} {what}")));
            };
            say("begins");
            if let Err(error) = sleep(takes).co_await() {
                say("is cancelled");
                return Err(error.into());
            }
            say("ends");
            if well { Ok(name) } else { Err(io::Error::new(io::ErrorKind::ConnectionRefused, name)) }
        }
    }

    /// Runs `attempts`; what comes of it, and what was said.
    fn run(
        attempts: Vec<impl FnOnce() -> io::Result<&'static str> + 'static>,
        log: &Log,
    ) -> (Result<&'static str>, Vec<(u128, String)>) {
        let event_loop = crate::event_loop::LoopBuilder::new().virtual_clock().build().unwrap();
        let result = event_loop.run_until_complete(crate::coroutine(|| staggered(attempts)));
        (result, log.take())
    }

    fn said(log: &[(u128, &str)]) -> Vec<(u128, String)> {
        log.iter().map(|(when, what)| (*when, (*what).to_owned())).collect()
    }

    #[test]
    fn the_first_success_wins_and_the_others_are_cancelled() {
        let log = Log::default();
        let plans = [("a", 1000, true), ("b", 300, true), ("c", 5000, true), ("d", 1, true)];
        let attempts = plans.map(|(name, takes, well)| attempt(&log, name, millis(takes), well));
        let (result, log) = run(attempts.into(), &log);
        assert_eq!(result.unwrap(), "b");
        let expected = [
            (0, "a begins"),
            (250, "b begins"),
            (500, "c begins"),
            (550, "b ends"),
            (550, "a is cancelled"),
            (550, "c is cancelled"),
        ];
        assert_eq!(log, said(&expected));
    }

    #[test]
    fn a_failure_lets_the_next_one_begin_at_once() {
        let log = Log::default();
        let plans = [("a", 100, false), ("b", 500, true)];
        let attempts = plans.map(|(name, takes, well)| attempt(&log, name, millis(takes), well));
        let (result, log) = run(attempts.into(), &log);
        assert_eq!(result.unwrap(), "b");
        assert_eq!(log, said(&[(0, "a begins"), (100, "a ends"), (100, "b begins"), (600, "b ends")]));
    }

    #[test]
    fn all_errors_are_told_in_one_that_has_their_kind() {
        let log = Log::default();
        let plans = [("a", 2000, false), ("b", 500, false)];
        let attempts = plans.map(|(name, takes, well)| attempt(&log, name, millis(takes), well));
        let (result, _) = run(attempts.into(), &log);
        let error = io::Error::from(result.unwrap_err());
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(error.to_string(), "Multiple exceptions: b, a");
        let (result, _) = run(vec![attempt(&log, "alone", secs(1), false)], &log);
        assert_eq!(result.unwrap_err().to_string(), "alone");
    }

    #[test]
    fn a_cancellation_ends_all_attempts_before_it_goes_on() {
        let log = Log::default();
        let plans = [("a", 5000, true), ("b", 5000, true)];
        let attempts = plans.map(|(name, takes, well)| attempt(&log, name, millis(takes), well));
        let event_loop = crate::event_loop::LoopBuilder::new().virtual_clock().build().unwrap();
        let result = event_loop.run_until_complete(crate::coroutine(|| {
            let task = create_task(crate::coroutine(|| staggered(attempts)));
            sleep(millis(300)).co_await()?;
            task.cancel();
            task.co_await()
        }));
        assert!(result.unwrap_err().is_cancelled());
        let expected = [(0, "a begins"), (250, "b begins"), (300, "a is cancelled"), (300, "b is cancelled")];
        assert_eq!(log.take(), said(&expected));
    }
}
