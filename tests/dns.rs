//! Names and addresses: the system's answers without blocking the loop, and errors that say which name it was.

mod common;

use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, ToSocketAddrs};
use std::rc::Rc;
use std::sync::mpsc::channel;

use common::{next_round, run, run_ordered};
use coro_core::dns::{self, Hints, LookupError, Service, ToAddresses};
use coro_core::prelude::*;
use coro_core::{Cancelled, RuntimeError};

/// Counts the jobs of the running loop.
fn counted() -> Result<Rc<Cell<u32>>> {
    let count = Rc::new(Cell::new(0));
    let jobs = count.clone();
    get_running_loop()?.set_default_executor(move |job| {
        jobs.set(jobs.get() + 1);
        drop(std::thread::spawn(job));
    });
    Ok(count)
}

fn stream() -> Hints {
    Hints { kind: dns::SOCK_STREAM, ..Hints::default() }
}

#[test]
fn a_name_is_resolved_in_a_thread_as_std_does_it() {
    run(|| {
        let jobs = counted()?;
        let ours = dns::resolve("localhost", 80)?;
        assert_eq!(jobs.get(), 1);
        let mut std: Vec<SocketAddr> = ("localhost", 80).to_socket_addrs()?.collect();
        std.dedup();
        assert_eq!(ours, std);
        assert!(ours.iter().all(|address| address.ip().is_loopback() && address.port() == 80));
        let found = get_running_loop()?.getaddrinfo("localhost", 80, stream()).co_await()?;
        assert_eq!(found.first().map(|info| info.address), ours.first().copied());
        assert!(found.iter().all(|info| info.kind == dns::SOCK_STREAM));
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_name_that_does_not_resolve_is_an_error_with_the_name() {
    let check = |error: Error| {
        let lookup = error.downcast_ref::<LookupError>().unwrap();
        assert_eq!(lookup.host(), "name.invalid");
        assert_ne!(lookup.code(), 0);
        assert!(error.to_string().starts_with("cannot resolve name.invalid: "), "{error}");
    };
    check(dns::resolve("name.invalid", 80).unwrap_err().into());
    run(|| {
        check(dns::resolve("name.invalid", 80).unwrap_err().into());
        check("name.invalid:80".to_addresses().unwrap_err().into());
        check(dns::getaddrinfo("name.invalid", "http", stream()).unwrap_err().into());
        check(get_running_loop()?.getaddrinfo("name.invalid", 80, stream()).co_await().unwrap_err());
        let numeric = Hints { flags: dns::AI_NUMERICHOST, ..stream() };
        let error = Error::new(dns::getaddrinfo("localhost", 80, numeric).unwrap_err());
        assert!(!error.downcast_ref::<LookupError>().unwrap().is_temporary(), "{error}");
        // What is no name at all.
        let error = dns::resolve("six\0eggs", 80).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput, "{error}");
        Ok(())
    })
    .unwrap();
}

#[test]
fn an_address_goes_to_no_thread_and_may_stand_in_a_callback() {
    run(|| {
        let jobs = counted()?;
        let address: SocketAddr = "127.0.0.1:80".parse()?;
        let all = move || -> Result<()> {
            assert_eq!(dns::resolve("127.0.0.1", 80)?, [address]);
            assert_eq!("127.0.0.1:80".to_addresses()?, [address]);
            assert_eq!("[::1]:80".to_addresses()?, ["[::1]:80".parse::<SocketAddr>()?]);
            assert_eq!(String::from("127.0.0.1:80").to_addresses()?, [address]);
            assert_eq!(("127.0.0.1", 80).to_addresses()?, [address]);
            assert_eq!((String::from("127.0.0.1"), 80).to_addresses()?, [address]);
            assert_eq!(address.to_addresses()?, [address]);
            assert_eq!(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 80).to_addresses()?, [address]);
            assert_eq!((Ipv4Addr::LOCALHOST, 80).to_addresses()?, [address]);
            assert_eq!((IpAddr::from(Ipv4Addr::LOCALHOST), 80).to_addresses()?, [address]);
            assert_eq!((Ipv6Addr::LOCALHOST, 80).to_addresses()?, "[::1]:80".to_addresses()?);
            assert_eq!([address, address][..].to_addresses()?, [address, address]);
            let found = dns::getaddrinfo("127.0.0.1", 80, stream())?;
            assert_eq!(found.len(), 1);
            assert_eq!((found[0].family, found[0].protocol), (dns::AF_INET, dns::IPPROTO_TCP));
            let flags = dns::NI_NUMERICHOST | dns::NI_NUMERICSERV;
            assert_eq!(dns::getnameinfo(address, flags)?, ("127.0.0.1".to_owned(), "80".to_owned()));
            // A name would have to be asked for.
            Ok(())
        };
        all()?;
        let (done, in_callback) = (coro_core::Future::new(), all);
        let seen = done.clone();
        get_running_loop()?.call_soon(move || {
            in_callback().unwrap();
            let refused = Error::new(dns::resolve("localhost", 80).unwrap_err());
            assert!(refused.is::<RuntimeError>());
            seen.set_result(()).unwrap();
        });
        done.co_await()?;
        create_task(async move {
            let refused = Error::new("localhost:80".to_addresses().unwrap_err());
            assert!(refused.is::<RuntimeError>());
        })
        .co_await()?;
        assert_eq!(jobs.get(), 0);
        Ok(())
    })
    .unwrap();
}

#[test]
fn texts_that_are_no_address_are_refused() {
    for (text, why) in [("localhost", "invalid socket address"), ("localhost:high", "invalid port value")] {
        let error = text.to_addresses().unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
        assert_eq!(error.to_string(), format!("{text}: {why}"));
    }
}

#[test]
fn hints_choose_among_the_answers() {
    run(|| {
        for (hints, family) in [
            (Hints { family: dns::AF_INET, ..stream() }, dns::AF_INET),
            (Hints { family: dns::AF_INET, kind: dns::SOCK_DGRAM, ..Hints::default() }, dns::AF_INET),
        ] {
            let found = dns::getaddrinfo("localhost", 0, hints)?;
            assert!(!found.is_empty());
            assert!(found.iter().all(|info| info.family == family && info.kind == hints.kind));
        }
        let passive = Hints { flags: dns::AI_PASSIVE, family: dns::AF_INET, ..stream() };
        let found = dns::getaddrinfo(None, 80, passive)?;
        assert_eq!(found[0].address, "0.0.0.0:80".parse()?);
        let named = Hints { flags: dns::AI_CANONNAME, family: dns::AF_INET, ..stream() };
        let found = dns::getaddrinfo("127.0.0.1", Service::None, named)?;
        assert_eq!(found[0].canonical_name.as_deref(), Some("127.0.0.1"));
        assert_eq!(found[0].address.port(), 0);
        assert!(dns::getaddrinfo(None, Service::None, stream()).is_err());
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_cancelled_lookup_goes_on_in_its_thread_and_disturbs_nobody() {
    run_ordered(|| {
        let (jobs, held) = channel();
        get_running_loop()?.set_default_executor(move |job| jobs.send(job).unwrap());
        let lookup = create_task(coroutine(|| Ok(dns::resolve("localhost", 80)?)));
        next_round()?;
        let job: Box<dyn FnOnce() + Send> = held.try_recv().unwrap();
        lookup.cancel();
        let error = lookup.co_await().unwrap_err();
        assert!(error.is::<Cancelled>(), "{error:?}");
        std::thread::spawn(job).join().unwrap();
        let naming = create_task(get_running_loop()?.getnameinfo("127.0.0.1:80".parse()?, 0));
        next_round()?;
        std::thread::spawn(held.try_recv().unwrap());
        let (host, service) = naming.co_await()?;
        assert!(!host.is_empty() && !service.is_empty());
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_lookup_holds_the_virtual_clock() {
    run(|| {
        let timer = create_task(sleep(secs(3600)));
        dns::resolve("localhost", 80)?;
        assert!(!timer.done());
        timer.cancel();
        Ok(())
    })
    .unwrap();
}
