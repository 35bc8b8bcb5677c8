//! [hyper](https://docs.rs/hyper) on this library's sockets: a small HTTP server, with TLS or without.

use std::convert::Infallible;
use std::future::Future;
use std::rc::Rc;

use coro_core::compat::hyper::{HyperIo, HyperTimer};
use coro_core::net::TcpListener;
use coro_core::prelude::*;
use futures_io::{AsyncRead, AsyncWrite};
use futures_rustls::TlsAcceptor;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};

/// What a handler answers.
pub type Answer = Response<Full<Bytes>>;

/// How long a connection may say nothing.
const PATIENCE: Duration = secs(30);

/// Answers all requests of one connection. The future of hyper is polled on this task's stack, and the handler's
/// within it.
pub fn converse<S, H, F>(stream: S, handler: H) -> Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
    H: Fn(Request<Incoming>) -> F,
    F: Future<Output = Answer>,
{
    let service = service_fn(|request| {
        let answer = handler(request);
        async { Ok::<_, Infallible>(answer.await) }
    });
    let mut http = http1::Builder::new();
    http.timer(HyperTimer).header_read_timeout(PATIENCE);
    // A client that leaves in the middle is none of the others' business; a cancellation is.
    let _ = http.serve_connection(HyperIo::new(stream), service).co_await()?;
    Ok(())
}

/// Serves until it is cancelled; its connections end with it.
#[allow(dead_code)] // not by the example that has workers for it
pub fn serve<H, F>(listener: TcpListener, tls: Option<TlsAcceptor>, handler: H) -> Result<()>
where
    H: Fn(Request<Incoming>) -> F + 'static,
    F: Future<Output = Answer> + 'static,
{
    let handler = Rc::new(handler);
    TaskGroup::scope(|connections| {
        for stream in listener.incoming() {
            let (stream, tls, handler) = (stream?, tls.clone(), Rc::clone(&handler));
            stream.set_nodelay(true)?; // or a short answer waits for the client to confirm what came before
            connections.create_task(coroutine(move || {
                let handler = |request| handler(request);
                match tls {
                    None => converse(stream, handler),
                    Some(tls) => match tls.accept(stream).co_await()? {
                        Ok(stream) => converse(stream, handler),
                        Err(_) => Ok(()), // it does not trust the certificate, or speaks no TLS
                    },
                }
            }));
        }
        Ok(())
    })
}
