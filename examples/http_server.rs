//! A web server: hyper on this library's sockets. `http_server [--workers N] ADDRESS` serves until Ctrl-C, on N cores;
//! without arguments it asks itself a few things.
//!
//! ```sh
//! cargo run --example http_server
//! ```
//! ```text
//! GET /: 200 OK, the kitchen is open
//! GET /boil/3: 200 OK, 3 eggs are boiled
//! POST /echo: 200 OK, six eggs, please
//! POST /boil/3: 405 Method Not Allowed, only GET here
//! GET /cellar: 404 Not Found, no /cellar here
//! ```
use coro_core::Workers;
use coro_core::net::TcpListener;
use coro_core::prelude::*;
use http_body_util::{BodyExt, Limited};
use hyper::{Method, Request, Response, StatusCode, body::Incoming};
use ureq::Agent;

#[path = "support/client.rs"]
mod client;
#[path = "support/server.rs"]
mod server;

/// How long an answer to `/echo` can get.
const LONGEST: usize = 1024 * 1024;

fn answer(status: StatusCode, text: impl Into<hyper::body::Bytes>) -> server::Answer {
    let mut response = Response::new(text.into().into());
    *response.status_mut() = status;
    response
}

/// A request that waits here keeps no other one waiting.
async fn kitchen(request: Request<Incoming>) -> server::Answer {
    let path = request.uri().path().to_owned();
    let eggs = path.strip_prefix("/boil/");
    let method = match &*path {
        "/" => Method::GET,
        "/echo" => Method::POST,
        _ if eggs.is_some() => Method::GET,
        _ => return answer(StatusCode::NOT_FOUND, format!("no {path} here")),
    };
    if request.method() != method {
        return answer(StatusCode::METHOD_NOT_ALLOWED, format!("only {method} here"));
    }
    if let Some(eggs) = eggs {
        return match eggs.parse::<u8>() {
            Ok(eggs) if sleep(millis(100) * eggs.into()).await.is_ok() => {
                answer(StatusCode::OK, format!("{eggs} eggs are boiled"))
            }
            _ => answer(StatusCode::BAD_REQUEST, "up to 255 eggs"),
        };
    }
    if method == Method::GET {
        return answer(StatusCode::OK, "the kitchen is open");
    }
    match Limited::new(request.into_body(), LONGEST).collect().await {
        Ok(body) => answer(StatusCode::OK, body.to_bytes()),
        Err(_) => answer(StatusCode::PAYLOAD_TOO_LARGE, format!("more than {LONGEST} bytes")),
    }
}

fn show(asked: &str, answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<()> {
    let mut answer = answer?;
    println!("{asked}: {}, {}", answer.status(), answer.body_mut().read_to_string()?);
    Ok(())
}

async_fn! {
    async fn program() {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let here = format!("http://{}", listener.local_addr()?);
        let server = create_task(coroutine(move || server::serve(listener, None, kitchen)));
        let agent = client::agent(Agent::config_builder().http_status_as_error(false).build());
        show("GET /", agent.get(&here).call())?;
        show("GET /boil/3", agent.get(format!("{here}/boil/3")).call())?;
        show("POST /echo", agent.post(format!("{here}/echo")).send("six eggs, please"))?;
        show("POST /boil/3", agent.post(format!("{here}/boil/3")).send_empty())?;
        show("GET /cellar", agent.get(format!("{here}/cellar")).call())?;
        server.cancel();
    }
}

fn main() -> Result<()> {
    let (mut address, mut workers) = (None, 1);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match &*argument {
            "--workers" => workers = arguments.next().unwrap_or_default().parse()?,
            _ => address = Some(argument),
        }
    }
    let Some(address) = address else { return coro_core::run(program()) };
    println!("http://{address}");
    Workers::new(workers)
        .drain_timeout(secs(5)) // for clients that keep their connection open
        .serve(&*address, |stream, _peer| {
            stream.set_nodelay(true)?;
            server::converse(stream, kitchen)
        })
}
