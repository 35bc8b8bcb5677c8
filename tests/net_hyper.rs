//! hyper over our sockets: a server and a client, both on one loop.

mod common;

use std::convert::Infallible;
use std::rc::Rc;

use common::run;
use coro_core::compat::hyper::{HyperIo, HyperTimer};
use coro_core::net::{TcpListener, TcpStream};
use coro_core::prelude::*;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let mut text = path.into_bytes();
    text.extend_from_slice(&body);
    Ok(Response::new(Full::new(Bytes::from(text))))
}

/// Serves connections; each takes any number of requests.
fn serve(listener: TcpListener) -> Result<()> {
    for stream in listener.incoming() {
        let mut server = hyper::server::conn::http1::Builder::new();
        server.timer(HyperTimer).header_read_timeout(secs(30));
        let connection = server.serve_connection(HyperIo::new(stream?), service_fn(answer));
        create_task(async move {
            // A client that leaves in the middle is no error of the server.
            let _ = connection.await;
        });
    }
    Ok(())
}

#[test]
fn two_hundred_requests_go_over_one_connection() {
    run(|| {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let server = create_task(coroutine(move || serve(listener)));
        let io = HyperIo::new(TcpStream::connect(address)?);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).co_await()??;
        let connection = create_task(connection);
        for n in 0..200_usize {
            let body = Full::new(Bytes::from(vec![b'x'; n * n]));
            let request = Request::post(format!("/eggs/{n}")).header("host", "kitchen").body(body)?;
            // hyper tells when it can take the next one; the await suspends this task.
            sender.ready().co_await()??;
            let response = sender.send_request(request).co_await()??;
            assert_eq!(response.status(), StatusCode::OK);
            let bytes = response.into_body().collect().co_await()??.to_bytes();
            let text = format!("/eggs/{n}");
            assert_eq!(bytes.len(), text.len() + n * n);
            assert!(bytes.starts_with(text.as_bytes()));
        }
        drop(sender);
        connection.co_await()??;
        server.cancel();
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_client_that_says_nothing_is_let_go_by_the_clock_of_the_loop() {
    run(|| {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let server = create_task(coroutine(move || serve(listener)));
        let stream = TcpStream::connect(address)?;
        let before = get_running_loop()?.time();
        std::io::Write::write_all(&mut &stream, b"GET / HTTP/1.1\r\n")?;
        let said = std::io::read_to_string(stream)?;
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 408"), "{said}");
        assert_eq!(get_running_loop()?.time() - before, secs(30));
        server.cancel();
        Ok(())
    })
    .unwrap();
}

#[test]
fn fifty_clients_ask_at_once() {
    run(|| {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let server = create_task(coroutine(move || serve(listener)));
        let done = Rc::new(std::cell::Cell::new(0));
        let clients = (0..50).map(|n| {
            let done = done.clone();
            coroutine(move || {
                let io = HyperIo::new(TcpStream::connect(address)?);
                let (mut sender, connection) = hyper::client::conn::http1::handshake(io).co_await()??;
                create_task(connection);
                for _ in 0..4 {
                    let request =
                        Request::get("/").header("host", "kitchen").body(Full::new(Bytes::new()))?;
                    sender.ready().co_await()??;
                    let response = sender.send_request(request).co_await()??;
                    response.into_body().collect().co_await()??;
                    done.set(done.get() + 1);
                }
                Ok(n)
            })
        });
        gather(clients).co_await()?;
        assert_eq!(done.get(), 200);
        server.cancel();
        Ok(())
    })
    .unwrap();
}
