//! hyper, client and server, HTTP/1.1 and HTTP/2: `HyperIo`, `HyperTimer` and `HyperExecutor` of coro.

use std::io::{Read, Write};
use std::net::SocketAddr;

use coro_core::compat::hyper::{HyperExecutor, HyperIo, HyperTimer};
use coro_core::net::TcpStream;
use coro_core::prelude::*;
use ecosystem::{
    PAUSE, at_once, beside_another_task, ends_when_broken_off, error_of, run, say_nothing, with_server,
};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, client, server};

type Body = Full<Bytes>;

#[derive(Clone, Copy)]
enum Version {
    Http1,
    Http2,
}

use Version::{Http1, Http2};

/// Answers with the path and the body, after `pause`.
fn serve(stream: TcpStream, version: Version, pause: Duration) -> Result<()> {
    let service = service_fn(move |request: Request<Incoming>| async move {
        let path = request.uri().path().to_owned();
        let body = request.into_body().collect().await?.to_bytes();
        // The whole connection is cancelled when its server is: who answers says so to nobody.
        let _ = sleep(pause).await;
        Ok::<_, hyper::Error>(Response::new(Body::from([path.as_bytes(), &body].concat())))
    });
    let io = HyperIo::new(stream);
    match version {
        Http1 => {
            let mut http = server::conn::http1::Builder::new();
            http.timer(HyperTimer).serve_connection(io, service).co_await()??;
        }
        Http2 => {
            let mut http = server::conn::http2::Builder::new(HyperExecutor);
            http.timer(HyperTimer).serve_connection(io, service).co_await()??;
        }
    }
    Ok(())
}

/// The half that asks. The other half, which moves the bytes, is a task; it ends with this one.
enum Sender {
    Http1(client::conn::http1::SendRequest<Body>),
    Http2(client::conn::http2::SendRequest<Body>),
}

impl Sender {
    fn connect(address: SocketAddr, version: Version) -> Result<Self> {
        let io = HyperIo::new(TcpStream::connect(address)?);
        Ok(match version {
            Http1 => {
                let (sender, connection) = client::conn::http1::handshake(io).co_await()??;
                // What goes wrong with the connection, the one who asks is told as well.
                create_task(async { drop(connection.await) });
                Self::Http1(sender)
            }
            Http2 => {
                let (sender, connection) = client::conn::http2::handshake(HyperExecutor, io).co_await()??;
                create_task(async { drop(connection.await) });
                Self::Http2(sender)
            }
        })
    }

    fn post(&mut self, path: String, body: Vec<u8>) -> Result<Bytes> {
        let request = Request::post(format!("http://kitchen{path}"));
        let request = request.header("host", "kitchen").body(Body::from(body))?;
        let response = match self {
            Self::Http1(sender) => {
                sender.ready().co_await()??;
                sender.send_request(request).co_await()??
            }
            Self::Http2(sender) => {
                sender.ready().co_await()??;
                sender.send_request(request).co_await()??
            }
        };
        Ok(response.into_body().collect().co_await()??.to_bytes())
    }
}

fn with_both_versions(pause: Duration, client: impl Fn(SocketAddr, Version) -> Result<()>) {
    for version in [Http1, Http2] {
        run(|| with_server(move |stream| serve(stream, version, pause), |address| client(address, version)));
    }
}

#[test]
fn fifty_connections_are_used_at_once() {
    with_both_versions(millis(1), |address, version| {
        at_once(50, move |number| {
            let mut sender = Sender::connect(address, version)?;
            for round in 0..5 {
                let body = vec![b'x'; number * round * 500];
                let answer = sender.post(format!("/eggs/{number}"), body.clone())?;
                let path = format!("/eggs/{number}");
                assert!(answer == [path.as_bytes(), &body].concat());
            }
            Ok(())
        })?;
        Ok(())
    });
}

#[test]
fn a_hundred_tasks_share_one_connection_of_http2() {
    run(|| {
        with_server(
            |stream| serve(stream, Http2, secs(1)),
            |address| {
                let Sender::Http2(sender) = Sender::connect(address, Http2)? else { unreachable!() };
                let event_loop = get_running_loop()?;
                let began = event_loop.time();
                let asked = sender.clone();
                let answers = at_once(100, move |number| {
                    Sender::Http2(asked.clone()).post(format!("/{number}"), vec![b'!'; 2000])
                })?;
                assert!(
                    answers
                        .iter()
                        .enumerate()
                        .all(|(number, answer)| answer.starts_with(format!("/{number}!").as_bytes()))
                );
                assert_eq!(event_loop.time() - began, secs(1));
                Ok(())
            },
        )
    });
}

#[test]
fn other_tasks_go_on_while_an_answer_is_waited_for() {
    with_both_versions(PAUSE, |address, version| {
        beside_another_task(|| {
            assert_eq!(Sender::connect(address, version)?.post("/eggs".into(), Vec::new())?, "/eggs");
            Ok(())
        })
    });
}

#[test]
fn a_cancellation_and_a_limit_end_a_request() {
    for version in [Http1, Http2] {
        run(|| {
            with_server(say_nothing, |address| {
                let ask = move || Sender::connect(address, version)?.post("/eggs".into(), Vec::new());
                ends_when_broken_off(ask)
            })
        });
    }
}

#[test]
fn a_limit_around_one_request_of_http2_leaves_the_others_alone() {
    run(|| {
        with_server(
            |stream| serve(stream, Http2, secs(10)),
            |address| {
                let Sender::Http2(sender) = Sender::connect(address, Http2)? else { unreachable!() };
                let (mut first, mut second) = (Sender::Http2(sender.clone()), Sender::Http2(sender));
                let other = create_task(coroutine(move || first.post("/eggs".into(), Vec::new())));
                let late = timeout(secs(1), || second.post("/toast".into(), Vec::new())).unwrap_err();
                assert!(late.is_timeout());
                assert_eq!(other.co_await()?, "/eggs");
                assert_eq!(second.post("/toast".into(), Vec::new())?, "/toast");
                Ok(())
            },
        )
    });
}

#[test]
fn a_connection_that_ends_midway_is_an_error_of_hyper() {
    for version in [Http1, Http2] {
        run(|| {
            with_server(
                |stream| {
                    sleep(secs(1)).co_await()?;
                    drop(stream);
                    Ok(())
                },
                |address| {
                    let result = Sender::connect(address, version)?.post("/eggs".into(), Vec::new());
                    let error: &hyper::Error = error_of(&result);
                    assert!(!error.is_timeout() && !error.is_user(), "{error:?}");
                    Ok(())
                },
            )
        });
    }
}

#[test]
fn an_answer_that_is_no_http_is_an_error_of_hyper() {
    run(|| {
        with_server(
            |mut stream| {
                assert_ne!(stream.read(&mut [0; 1000])?, 0);
                stream.write_all(b"eggs\r\n\r\n")?;
                say_nothing(stream)
            },
            |address| {
                let result = Sender::connect(address, Http1)?.post("/eggs".into(), Vec::new());
                assert!(error_of::<hyper::Error, _>(&result).is_parse());
                Ok(())
            },
        )
    });
}
