//! HTTP and TLS over our sockets: ureq asks, hyper answers, in good weather and in bad.
#![allow(clippy::duplicate_mod)] // the example has its own support

mod common;

#[path = "../examples/support/certificate.rs"]
mod certificate;
#[path = "../examples/support/client.rs"]
mod client;
#[path = "../examples/support/server.rs"]
mod server;
#[allow(dead_code)] // its `main`
#[path = "../examples/web_scraper.rs"]
mod web_scraper;

use std::cell::Cell;
use std::io::{self, Read, Write};
use std::rc::Rc;

use common::{next_round, run};
use coro_core::fs::File;
use coro_core::net::{TcpListener, TcpStream};
use coro_core::prelude::*;
use hyper::body::Incoming;
use hyper::{Request, Response};
use ureq::Agent;
use ureq::config::{Config, ConfigBuilder};
use ureq::typestate::AgentScope;

fn config() -> ConfigBuilder<AgentScope> {
    Agent::config_builder().proxy(None)
}

fn agent() -> Agent {
    client::agent(config().build())
}

/// `/slow/…` takes a second; the other paths are answered with themselves.
async fn site(request: Request<Incoming>) -> server::Answer {
    let path = request.uri().path().to_owned();
    if path.starts_with("/slow") && sleep(secs(1)).await.is_err() {
        return Response::new("cancelled".into());
    }
    Response::new(path.into())
}

/// Runs `client` beside a server, which it is given the address of.
fn with_site<T>(client: impl FnOnce(&str) -> Result<T>) -> Result<T> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = format!("http://{}", listener.local_addr()?);
    let server = create_task(coroutine(move || server::serve(listener, None, site)));
    let result = client(&address);
    server.cancel();
    assert!(server.co_await().unwrap_err().is_cancelled());
    result
}

/// Runs `client` beside a server that does with each connection what `converse` says, once the request is read.
fn with_peer<T>(
    converse: impl Fn(&TcpStream) -> Result<()> + 'static,
    client: impl FnOnce(&str) -> Result<T>,
) -> Result<T> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = format!("http://{}/", listener.local_addr()?);
    let server = create_task(coroutine(move || {
        let converse = &converse;
        TaskGroup::scope(|connections| {
            for stream in listener.incoming() {
                let mut stream = stream?;
                connections.create_task(coroutine(move || {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        let mut byte = [0];
                        stream.read_exact(&mut byte)?;
                        head.extend(byte);
                    }
                    converse(&stream)
                }));
            }
            Ok(())
        })
    }));
    let result = client(&address);
    server.cancel();
    let _ = server.co_await();
    result
}

/// A peer that is silent until its end.
fn stall(_: &TcpStream) -> Result<()> {
    coro_core::Event::new().wait().co_await()?;
    Ok(())
}

/// A peer that sends a part of its answer, and then nothing.
fn stall_midway(mut stream: &TcpStream) -> Result<()> {
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nsix eggs")?;
    stall(stream)
}

fn text(agent: &Agent, url: &str) -> Result<String> {
    Ok(agent.get(url).call()?.body_mut().read_to_string()?)
}

#[test]
fn a_thousand_pages_are_scraped_two_hundred_at_a_time() {
    /// Some are empty, some are long.
    fn page(path: &str) -> Vec<u8> {
        let number: usize = path[1..].parse().unwrap();
        path.bytes().cycle().take(number * number % 50_000).collect()
    }
    run(|| {
        let (busy, most) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let server = create_task(coroutine({
            let most = most.clone();
            move || {
                server::serve(listener, None, move |request: Request<Incoming>| {
                    let (busy, most) = (busy.clone(), most.clone());
                    async move {
                        busy.set(busy.get() + 1);
                        most.set(most.get().max(busy.get()));
                        sleep(millis(10)).await.expect("nobody cancels it");
                        busy.set(busy.get() - 1);
                        Response::new(page(request.uri().path()).into())
                    }
                })
            }
        }));
        let folder = tempfile::tempdir()?;
        let urls: Vec<String> = (0..1000).map(|number| format!("http://{address}/{number}")).collect();
        let pages = web_scraper::scrape(urls, folder.path().into(), 200).co_await()?;
        server.cancel();
        assert_eq!(pages.len(), 1000);
        for (number, (name, length)) in pages.into_iter().enumerate() {
            let expected = page(&format!("/{number}"));
            assert_eq!(name, format!("{number}_{number}"));
            assert_eq!(length?, expected.len() as u64);
            assert!(std::fs::read(folder.path().join(name))? == expected, "page {number}");
        }
        assert!((150..=200).contains(&most.get()), "{} at a time", most.get());
        Ok(())
    })
    .unwrap();
}

#[test]
fn two_hundred_requests_share_one_connection() {
    run(|| {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let connections = Rc::new(Cell::new(0));
        let counted = connections.clone();
        let server = create_task(coroutine(move || -> Result<()> {
            for stream in listener.incoming() {
                let stream = stream?;
                counted.set(counted.get() + 1);
                create_task(coroutine(move || server::converse(stream, site)));
            }
            Ok(())
        }));
        let agent = agent();
        for number in 0..200 {
            assert_eq!(text(&agent, &format!("http://{address}/{number}"))?, format!("/{number}"));
        }
        assert_eq!(connections.get(), 1);
        server.cancel();
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_hundred_fetches_wait_at_once() {
    run(|| {
        with_site(|address| {
            let agent = agent();
            let clock = get_running_loop()?;
            let started = clock.time();
            let fetches = (0..100).map(|number| {
                let (agent, url) = (agent.clone(), format!("{address}/slow/{number}"));
                coroutine(move || text(&agent, &url))
            });
            let texts = gather(fetches).co_await()?;
            assert!(texts.iter().enumerate().all(|(number, text)| *text == format!("/slow/{number}")));
            assert_eq!(clock.time() - started, secs(1)); // each waits for a second
            Ok(())
        })
    })
    .unwrap();
}

#[test]
fn names_are_looked_up_and_those_that_do_not_exist_are_said() {
    run(|| {
        with_site(|address| {
            let agent = agent();
            assert_eq!(
                text(&agent, &format!("{}/eggs", address.replace("127.0.0.1", "localhost")))?,
                "/eggs"
            );
            let error = text(&agent, "http://name.invalid/").unwrap_err();
            assert!(error.to_string().contains("name.invalid"), "{error}");
            let error = text(&agent, "ftp://127.0.0.1/").unwrap_err();
            assert!(error.to_string().contains("ftp"), "{error}");
            Ok(())
        })
    })
    .unwrap();
}

#[test]
fn a_connection_that_is_reset_midway_is_an_error_and_the_next_one_is_new() {
    fn reset_the_first() -> impl Fn(&TcpStream) -> Result<()> {
        let first = Cell::new(true);
        move |mut stream| {
            if first.replace(false) {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nsix eggs")?;
                socket2::SockRef::from(stream).set_linger(Some(secs(0)))?; // its end is a reset
                return Ok(());
            }
            Ok(stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\neggs")?)
        }
    }
    run(|| {
        with_peer(reset_the_first(), |address| {
            let agent = agent();
            let error = text(&agent, address).unwrap_err();
            match error.downcast_ref() {
                Some(ureq::Error::Io(error)) => {
                    let expected = [io::ErrorKind::ConnectionReset, io::ErrorKind::UnexpectedEof];
                    assert!(expected.contains(&error.kind()), "{error}");
                }
                other => panic!("{other:?}"),
            }
            assert!(!error.is_cancelled() && !error.is_timeout());
            assert_eq!(text(&agent, address)?, "eggs");
            Ok(())
        })
    })
    .unwrap();
}

/// What a call gives that a limit ends, and how long it took by the clock of the loop.
fn limited(config: Config, peer: fn(&TcpStream) -> Result<()>) -> Result<(Error, Duration)> {
    with_peer(peer, |address| {
        let clock = get_running_loop()?;
        let started = clock.time();
        let error = text(&client::agent(config), address).unwrap_err();
        Ok((error, clock.time() - started))
    })
}

#[test]
fn a_server_that_stalls_runs_into_the_limits_of_ureq() {
    let soon = config().timeout_recv_response(Some(millis(50))).build();
    let (error, time) = coro_core::run(coroutine(|| limited(soon, stall))).unwrap();
    assert!(
        matches!(error.downcast_ref(), Some(ureq::Error::Timeout(ureq::Timeout::RecvResponse))),
        "{error}"
    );
    assert!(error.is_timeout() && !error.is_cancelled());
    assert!(time >= millis(49), "{time:?}");

    let soon = config().timeout_global(Some(millis(50))).build();
    let (error, _) = coro_core::run(coroutine(|| limited(soon, stall_midway))).unwrap();
    assert!(error.is_timeout(), "{error:?}");
}

#[test]
fn the_limits_of_ureq_pass_at_once_under_the_virtual_clock() {
    for peer in [stall, stall_midway] {
        let config = config().timeout_global(Some(secs(3600))).build();
        let began = std::time::Instant::now();
        let (error, time) = run(|| limited(config, peer)).unwrap();
        assert!(error.is_timeout(), "{error:?}");
        // ureq itself has counted the little real time before the wait.
        assert!(time <= secs(3600) && time > secs(3540), "{time:?}");
        assert!(began.elapsed() < secs(60));
    }
}

#[test]
fn a_limit_around_a_fetch_ends_it() {
    for peer in [stall, stall_midway] {
        run(|| {
            with_peer(peer, |address| {
                let agent = agent();
                let error = timeout(secs(5), || text(&agent, address)).unwrap_err();
                assert!(error.is_timeout() && error.is::<coro_core::Elapsed>(), "{error:?}");
                Ok(())
            })
        })
        .unwrap();
    }
}

#[test]
fn a_fetch_is_cancelled_wherever_it_waits() {
    fn cancelled<T: std::fmt::Debug + 'static>(fetch: impl FnOnce() -> Result<T> + 'static) -> Result<()> {
        let task = create_task(coroutine(fetch));
        sleep(secs(1)).co_await()?;
        assert!(!task.done());
        task.cancel();
        sleep(secs(1)).co_await()?;
        assert!(task.done() && task.cancelled(), "{task:?}");
        Ok(())
    }
    run(|| {
        // While it waits for the answer, while it reads the answer, while it copies it.
        let agent = agent();
        for peer in [stall, stall_midway] {
            let (own, other) = (agent.clone(), agent.clone());
            with_peer(peer, |address| {
                let (url, same) = (address.to_owned(), address.to_owned());
                cancelled(move || text(&own, &url))?;
                cancelled(move || {
                    let mut body = other.get(same).call()?.into_body().into_reader();
                    Ok(io::copy(&mut body, &mut Vec::new())?)
                })
            })?;
        }
        // In the handshake of TLS, which this server never answers.
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let (own, url) = (agent.clone(), format!("https://{}", listener.local_addr()?));
        cancelled(move || text(&own, &url))?;
        // The agent was not harmed.
        with_site(|address| {
            assert_eq!(text(&agent, &format!("{address}/eggs"))?, "/eggs");
            Ok(())
        })
    })
    .unwrap();
}

#[test]
fn an_agent_that_is_shut_down_ends_its_fetches() {
    run(|| {
        with_peer(stall, |address| {
            let (agent, url) = (agent(), address.to_owned());
            let fetch = create_task(coroutine({
                let agent = agent.clone();
                move || text(&agent, &url)
            }));
            sleep(secs(1)).co_await()?;
            agent.shutdown();
            let error = fetch.co_await().unwrap_err();
            assert!(error.is::<ureq::Error>() && !error.is_cancelled(), "{error:?}");
            Ok(())
        })
    })
    .unwrap();
}

/// Runs `client` beside a server with TLS, with its port and what it has to trust.
fn with_tls<T>(client: impl FnOnce(u16, ureq::tls::TlsConfig) -> Result<T>) -> Result<T> {
    let (tls, trusted) = certificate::for_server("localhost")?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let server = create_task(coroutine(move || server::serve(listener, Some(tls), site)));
    let result = client(port, trusted);
    server.cancel();
    result
}

#[test]
fn fetches_go_over_tls_at_once() {
    run(|| {
        with_tls(|port, trusted| {
            let agent = client::agent(config().tls_config(trusted).build());
            let fetches = (0..20).map(|number| {
                let (agent, url) = (agent.clone(), format!("https://localhost:{port}/slow/{number}"));
                coroutine(move || text(&agent, &url))
            });
            let texts = gather(fetches).co_await()?;
            assert!(texts.iter().enumerate().all(|(number, text)| *text == format!("/slow/{number}")));
            Ok(())
        })
    })
    .unwrap();
}

#[test]
fn a_certificate_that_is_not_trusted_is_named_in_the_error() {
    run(|| {
        with_tls(|port, trusted| {
            let (_, of_another_server) = certificate::for_server("localhost")?;
            let agent = client::agent(config().tls_config(of_another_server).build());
            let error = text(&agent, &format!("https://localhost:{port}/")).unwrap_err();
            assert!(error.to_string().contains("invalid peer certificate"), "{error}");

            let agent = client::agent(config().tls_config(trusted).build());
            let error = text(&agent, &format!("https://127.0.0.1:{port}/")).unwrap_err();
            assert!(error.to_string().contains("not valid for name"), "{error}");
            // The server goes on.
            assert_eq!(text(&agent, &format!("https://localhost:{port}/eggs"))?, "/eggs");
            Ok(())
        })
    })
    .unwrap();
}

#[test]
fn a_long_answer_is_copied_to_a_file_while_the_loop_goes_on() {
    const LENGTH: usize = 10 * 1024 * 1024 + 1;
    let body: Vec<u8> = (0..LENGTH).map(|n| (n / 7) as u8).collect();
    let sent = body.clone();
    run(move || {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://{}/", listener.local_addr()?);
        let bytes = hyper::body::Bytes::from(sent);
        let server = create_task(coroutine(move || {
            server::serve(listener, None, move |_| std::future::ready(Response::new(bytes.clone().into())))
        }));
        let rounds = Rc::new(Cell::new(0));
        let counted = rounds.clone();
        let other = create_task(coroutine(move || -> Result<()> {
            loop {
                counted.set(counted.get() + 1);
                next_round()?;
            }
        }));
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("eggs");
        let mut file = File::create(&path)?;
        let mut answer = agent().get(url).call()?.into_body().into_reader();
        assert_eq!(io::copy(&mut answer, &mut file)?, LENGTH as u64);
        assert!(std::fs::read(path)? == body);
        assert!(rounds.get() > 100, "{} rounds", rounds.get());
        other.cancel();
        server.cancel();
        Ok(())
    })
    .unwrap();
}

#[test]
fn small_writes_reach_the_other_end_before_a_virtual_clock_jumps() {
    run(|| {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let server = create_task(coroutine(move || {
            let (mut stream, _) = listener.accept()?;
            // After questions and answers the system puts off what it can.
            for _ in 0..5 {
                stream.read_exact(&mut [0])?;
                stream.write_all(b"a")?;
                stream.write_all(b"b")?;
            }
            stall(&stream)
        }));
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(secs(3600)))?;
        for _ in 0..5 {
            stream.write_all(b"?")?;
            stream.read_exact(&mut [0; 2])?;
        }
        assert!(get_running_loop()?.time() < secs(3600));
        server.cancel();
        Ok(())
    })
    .unwrap();
}
