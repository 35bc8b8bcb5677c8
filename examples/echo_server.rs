//! A server that says everything again, for any number of clients at once. `nc 127.0.0.1 4000` talks to it.
//!
//! With an address it serves until Ctrl-C: `cargo run --example echo_server 127.0.0.1:4000`. Without one it serves three
//! clients of its own, and ends.
//!
//! ```sh
//! cargo run --example echo_server
//! ```
//! ```text
//! client 1: ["six eggs", "brown ones"]
//! client 2: ["twelve eggs", "brown ones"]
//! client 3: ["eighteen eggs", "brown ones"]
//! served 3
//! ```
use coro_core::net::{TcpListener, TcpStream};
use coro_core::prelude::*;
use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr};

/// Plain blocking code, as for std's stream. It suspends the task, not the thread.
fn echo(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = [0; 16 * 1024];
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            length => stream.write_all(&buffer[..length])?,
        }
    }
}

/// Serves each client in a task of its own, until it is cancelled. Then the scope ends those that are left.
fn serve(listener: &TcpListener, served: &Cell<u32>) -> Result<()> {
    TaskGroup::scope(|clients| {
        loop {
            let (stream, peer) = listener.accept_patiently()?;
            clients.create_task(coroutine(move || {
                match echo(stream).map_err(Error::from) {
                    Err(error) if error.is_cancelled() => raise!(error),
                    Err(error) => eprintln!("{peer}: {error}"),
                    Ok(()) => served.set(served.get() + 1),
                }
                Ok(())
            }));
        }
    })
}

fn ask(address: SocketAddr, amount: &str) -> Result<Vec<String>> {
    let stream = TcpStream::connect(address)?;
    write!(&stream, "{amount} eggs\nbrown ones\n")?;
    stream.shutdown(Shutdown::Write)?;
    Ok(BufReader::new(stream).lines().collect::<io::Result<_>>()?)
}

async_fn! {
    async fn demonstration() {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let served = Cell::new(0);
        TaskGroup::scope(|scope| {
            let server = scope.create_task(coroutine(|| serve(&listener, &served)));
            let amounts = ["six", "twelve", "eighteen"];
            let answers = gather(amounts.map(|amount| coroutine(move || ask(address, amount)))).co_await()?;
            for (number, answer) in answers.iter().enumerate() {
                println!("client {}: {answer:?}", number + 1);
            }
            server.cancel();
            Ok(())
        })?;
        println!("served {}", served.get());
    }

    async fn program(address: String) {
        let listener = TcpListener::bind(address)?;
        println!("listening at {}", listener.local_addr()?);
        serve(&listener, &Cell::new(0))?;
    }
}

fn main() -> Result<()> {
    match std::env::args().nth(1) {
        Some(address) => coro_core::run(program(address)),
        None => coro_core::run(demonstration()),
    }
}
