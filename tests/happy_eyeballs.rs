//! One of several addresses: `happy_eyeballs_delay`, `interleave` and `all_errors` of `open_connection` and
//! `create_connection`. The steps of the race are tested where it is, in `net/attempts.rs`.
#![cfg(unix)]

mod common;

use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;

use common::{assert_well, at_each_moment, direct, ended, in_child, reported, run, silent};
use coro_core::{LoopBuilder, Protocol, all_tasks, prelude::*};

struct Quiet;

impl Protocol for Quiet {}

/// An address at which nobody listens.
fn nobody() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

fn listener(address: &str) -> Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Only the task that asks is left.
#[track_caller]
fn alone() {
    assert_eq!(all_tasks().unwrap().len(), 1, "attempts are left");
}

/// With whom `connecting` connects.
fn peer(connecting: impl Awaitable<Output = (StreamReader, StreamWriter)>) -> Result<Option<SocketAddr>> {
    let (_reader, writer) = connecting.co_await()?;
    Ok(writer.peername())
}

#[test]
fn the_next_address_is_tried_when_the_first_has_not_answered_in_time() {
    let (full, _clients) = silent().unwrap();
    run(|| {
        let (_good, address) = listener("127.0.0.1:0")?;
        let addresses = [full.local_addr()?, address];
        let connecting = open_connection(&addresses[..]).happy_eyeballs_delay(millis(5));
        assert_eq!(peer(connecting)?, Some(address));
        assert!(get_running_loop()?.time() >= millis(5));
        alone();
        let connecting = get_running_loop()?.create_connection(|| Quiet, &addresses[..]);
        let (transport, _) = connecting.happy_eyeballs_delay(secs(0)).co_await()?;
        assert_eq!(transport.peername(), Some(address));
        alone();
        // Without the option the second one does not get its turn.
        let error = wait_for(open_connection(&addresses[..]), millis(5)).co_await().err().unwrap();
        assert!(error.is_timeout(), "{error}");
        Ok(())
    })
    .unwrap();
}

#[test]
fn the_next_address_is_tried_at_once_when_the_first_refuses() {
    run(|| {
        let (_good, address) = listener("127.0.0.1:0")?;
        let addresses = [nobody()?, nobody()?, address];
        let connecting = open_connection(&addresses[..]).happy_eyeballs_delay(secs(3600));
        assert_eq!(peer(connecting)?, Some(address));
        assert!(get_running_loop()?.time() < secs(60));
        Ok(())
    })
    .unwrap();
}

#[test]
fn one_connection_is_left_and_the_others_are_closed() {
    let (full, _clients) = silent().unwrap();
    run(|| {
        let listeners = [listener("127.0.0.1:0")?, listener("127.0.0.1:0")?, listener("127.0.0.1:0")?];
        let mut addresses: Vec<SocketAddr> = listeners.iter().map(|(_, address)| *address).collect();
        addresses.insert(0, full.local_addr()?);
        let (_reader, writer) = open_connection(&addresses[..]).happy_eyeballs_delay(secs(0)).co_await()?;
        alone();
        let mut open = Vec::new();
        for (listener, address) in &listeners {
            listener.set_nonblocking(true)?;
            while let Ok((mut client, from)) = listener.accept() {
                client.set_nonblocking(true)?;
                match client.read(&mut [0]) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => open.push((from, *address)),
                    gone => assert!(matches!(gone, Ok(0) | Err(_)), "{gone:?}"),
                }
            }
        }
        assert_eq!(open, [(writer.sockname().unwrap(), writer.peername().unwrap())]);
        Ok(())
    })
    .unwrap();
}

/// The texts of all that is in an error.
fn texts(error: &Error) -> Vec<String> {
    error.errors().iter().map(ToString::to_string).collect()
}

#[test]
fn what_all_addresses_say_is_told_in_their_order() {
    run(|| {
        let (first, second) = (nobody()?, nobody()?);
        for delay in [None, Some(secs(0)), Some(secs(1))] {
            let fails = |addresses: &[SocketAddr], all: bool| {
                let connecting = open_connection(addresses);
                let connecting = match delay {
                    Some(delay) => connecting.happy_eyeballs_delay(delay),
                    None => connecting,
                };
                let connecting = if all { connecting.all_errors() } else { connecting };
                connecting.co_await().err().unwrap()
            };
            let refused =
                |address| format!("{address}: Connection refused (os error {})", libc::ECONNREFUSED);
            let error = fails(&[first, second], false);
            assert_eq!(
                error.to_string(),
                format!("Multiple exceptions: {}, {}", refused(first), refused(second))
            );
            let kind = error.downcast_ref::<std::io::Error>().unwrap().kind();
            assert_eq!(kind, ErrorKind::ConnectionRefused);
            assert_eq!(fails(&[first], false).to_string(), refused(first));
            assert_eq!(fails(&[first, first], false).to_string(), refused(first));
            let error = fails(&[first, second, first], true);
            assert!(error.is::<ErrorGroup>() && error.to_string().contains("create_connection failed"));
            assert_eq!(texts(&error), [first, second, first].map(refused));
            assert_eq!(texts(&fails(&[first], true)), [refused(first)]);
            assert_eq!(fails(&[], true).to_string(), "could not resolve to any addresses");
            alone();
        }
        Ok(())
    })
    .unwrap();
}

#[test]
fn families_take_turns_with_a_delay_or_if_it_is_asked_for() {
    run(|| {
        let Ok((_sixth, six)) = listener("[::1]:0") else { return Ok(()) }; // no such family here
        let (_fourth, four) = listener("127.0.0.1:0")?;
        let addresses = [nobody()?, four, six];
        let connecting = || open_connection(&addresses[..]);
        assert_eq!(peer(connecting())?, Some(four));
        assert_eq!(peer(connecting().interleave(1))?, Some(six));
        assert_eq!(peer(connecting().interleave(2))?, Some(four));
        assert_eq!(peer(connecting().happy_eyeballs_delay(secs(1)))?, Some(six));
        assert_eq!(peer(connecting().happy_eyeballs_delay(secs(1)).interleave(0))?, Some(four));
        assert_eq!(peer(connecting().happy_eyeballs_delay(secs(1)).interleave(2))?, Some(four));
        Ok(())
    })
    .unwrap();
}

#[test]
fn each_attempt_takes_a_local_address_of_its_family() {
    run(|| {
        let (_good, address) = listener("127.0.0.1:0")?;
        let (_other, taken) = listener("127.0.0.1:0")?;
        let elsewhere: SocketAddr = "[::1]:1".parse()?;
        let local: &[SocketAddr] = vec![taken, "127.0.0.1:0".parse()?].leak();
        let addresses = [elsewhere, address];
        let connecting = open_connection(&addresses[..]).local_addr(local);
        let (_reader, writer) = connecting.happy_eyeballs_delay(secs(1)).co_await()?;
        assert_eq!(writer.peername(), Some(address));
        assert!(writer.sockname().unwrap().is_ipv4());
        // Local addresses that were in use are told of too.
        let gone = nobody()?;
        let addresses = [elsewhere, gone];
        for delay in [secs(0), secs(1)] {
            let connecting = open_connection(&addresses[..]).local_addr(local);
            let error = connecting.happy_eyeballs_delay(delay).all_errors().co_await().err().unwrap();
            // The first is that of the other family, of which there may be no sockets here.
            let begin = [
                String::new(),
                format!("error while attempting to bind on address {taken}: "),
                format!("{gone}: "),
            ];
            let texts = texts(&error);
            assert_eq!(texts.len(), 3, "{texts:?}");
            assert!(texts.iter().zip(&begin).all(|(text, begin)| text.starts_with(begin)), "{texts:?}");
        }
        Ok(())
    })
    .unwrap();
}

#[test]
fn attempts_that_begin_eagerly_and_a_connection_in_an_async_block() {
    let (full, _clients) = silent().unwrap();
    let full = full.local_addr().unwrap();
    let event_loop = LoopBuilder::new().virtual_clock().eager_tasks(true).build().unwrap();
    event_loop
        .run_until_complete(coroutine(move || {
            let (_good, address) = listener("127.0.0.1:0")?;
            let addresses: &[SocketAddr] = vec![nobody()?, full, address].leak();
            assert_eq!(peer(open_connection(addresses).happy_eyeballs_delay(millis(1)))?, Some(address));
            let task = create_task(async move {
                let connecting = open_connection(addresses).happy_eyeballs_delay(millis(1));
                Ok::<_, Error>(connecting.await?.1.peername())
            });
            assert_eq!(task.co_await()??, Some(address));
            alone();
            Ok(())
        }))
        .unwrap();
}

/// How many file descriptors are open.
fn descriptors() -> usize {
    std::fs::read_dir("/dev/fd").map_or(0, Iterator::count)
}

#[test]
fn a_race_that_is_cancelled_or_takes_too_long_leaves_nothing_behind() {
    let name = "a_race_that_is_cancelled_or_takes_too_long_leaves_nothing_behind";
    let child = in_child(name, || {
        let (full, clients) = silent().unwrap();
        let (good, address) = listener("127.0.0.1:0").unwrap();
        good.set_nonblocking(true).unwrap();
        let full = full.local_addr().unwrap();
        let ((), reports) = reported(|| {
            for delay in [secs(0), millis(1), secs(3600)] {
                at_each_moment(|moment| {
                    let before = descriptors();
                    let addresses = [nobody()?, full, address];
                    let task = create_task(coroutine(move || {
                        let connecting = open_connection(&addresses[..]).happy_eyeballs_delay(delay);
                        let (_reader, writer) = connecting.co_await()?;
                        writer.transport().abort();
                        Ok(())
                    }));
                    direct(&task.any_task(), moment, |_| ())?;
                    task.cancel(); // it may be waiting for the silent one
                    ended(task.co_await());
                    alone();
                    sleep(millis(1)).co_await()?;
                    while good.accept().is_ok() {}
                    assert_eq!(descriptors(), before);
                    Ok(())
                });
            }
            run(|| {
                let before = descriptors();
                let addresses = [full; 3];
                let connecting = open_connection(&addresses[..]).happy_eyeballs_delay(millis(1));
                let error = wait_for(connecting, millis(5)).co_await().err().unwrap();
                assert!(error.is_timeout(), "{error}");
                alone();
                assert_eq!(descriptors(), before);
                Ok(())
            })
            .unwrap();
            // The loop ends while attempts are under way.
            let before = descriptors();
            let error = run(|| {
                let addresses = Rc::new([full, full]);
                create_task(coroutine(move || {
                    open_connection(&addresses[..]).happy_eyeballs_delay(secs(0)).co_await()
                }));
                sleep(millis(1)).co_await()?;
                Err::<(), _>(Error::msg("enough"))
            });
            assert_eq!(error.unwrap_err().to_string(), "enough");
            assert_eq!(descriptors(), before);
        });
        assert_eq!(reports, Vec::<String>::new());
        drop(clients);
    });
    child.as_ref().into_iter().for_each(assert_well);
}
