//! One page over TLS, by ureq on this library's sockets. `http_fetch URL` fetches from elsewhere; without an argument
//! it fetches from itself, with a certificate made for the moment.
//!
//! ```sh
//! cargo run --example http_fetch
//! ```
//! ```text
//! a stranger: io: invalid peer certificate: UnknownIssuer
//! 200 OK
//! six brown eggs, by /eggs
//! ```
use coro_core::net::TcpListener;
use coro_core::prelude::*;
use coro_core::stdio;
use hyper::{Request, Response, body::Incoming};
use std::io::Write;
use ureq::{Agent, tls::TlsConfig};

#[path = "support/certificate.rs"]
mod certificate;
#[path = "support/client.rs"]
mod client;
#[path = "support/server.rs"]
mod server;

/// An agent that trusts whom `tls` says.
fn agent(tls: TlsConfig) -> Agent {
    client::agent(Agent::config_builder().tls_config(tls).timeout_global(Some(secs(30))).build())
}

fn fetch(agent: &Agent, url: &str) -> Result<()> {
    let mut response = agent.get(url).call()?; // waits here for names, for the handshake, for the answer
    let mut out = stdio::stdout();
    writeln!(out, "{}", response.status())?;
    std::io::copy(&mut response.body_mut().as_reader(), &mut out)?;
    Ok(out.flush()?)
}

async fn kitchen(request: Request<Incoming>) -> server::Answer {
    Response::new(format!("six brown eggs, by {}\n", request.uri().path()).into())
}

async_fn! {
    async fn program() {
        let (tls, trusted) = certificate::for_server("localhost")?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("https://localhost:{}/eggs", listener.local_addr()?.port());
        let server = create_task(coroutine(move || server::serve(listener, Some(tls), kitchen)));

        if let Err(error) = fetch(&agent(TlsConfig::default()), &url) {
            println!("a stranger: {error}");
        }
        fetch(&agent(trusted), &url)?;
        server.cancel();
    }
}

fn main() -> Result<()> {
    match std::env::args().nth(1) {
        Some(url) => coro_core::run(coroutine(move || fetch(&agent(TlsConfig::default()), &url))),
        None => coro_core::run(program()),
    }
}
