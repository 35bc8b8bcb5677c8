//! A proxy for TCP: whoever connects to it talks to somebody else, in both directions, each as fast as the other reads.
//!
//! With two addresses it listens at the first, connects to the second, and goes on until Ctrl-C:
//! `cargo run --example tcp_proxy 127.0.0.1:4000 127.0.0.1:80`. Without them it stands before a server of its own.
//!
//! ```sh
//! cargo run --example tcp_proxy
//! ```
//! ```text
//! asked "six eggs", answered "SIX EGGS"
//! asked "brown ones", answered "BROWN ONES"
//! asked "and salt", answered "AND SALT"
//! 4000000 bytes came back through the proxy
//! nobody is there: answered ""
//! ```
use coro_core::prelude::*;
use std::net::SocketAddr;

async_fn! {
    /// Copies until the end, and passes that on. Reading waits for writing: `drain` returns when little is left to be sent.
    async fn pump(mut from: StreamReader, to: StreamWriter) {
        loop {
            let data = await!(from.read(64 * 1024));
            if data.is_empty() {
                break;
            }
            to.write(&data)?;
            await!(to.drain());
        }
        to.write_eof();
    }

    /// Runs in a task of its own for each client. At its end, also by an error, both connections are closed: their
    /// writers are dropped.
    async fn proxy(reader: StreamReader, writer: StreamWriter, target: SocketAddr) {
        let (answers, questions) = match try_await!(open_connection(target)) {
            Ok(connection) => connection,
            Err(error) if error.is_cancelled() => raise!(error),
            Err(_) => return,
        };
        // A clone each: a connection is closed when its last writer goes, and one direction ends before the other.
        await!(gather((pump(reader, questions.clone()), pump(answers, writer.clone()))));
    }

    async fn listen(address: String, target: SocketAddr) {
        let server = await!(start_server(move |reader, writer| proxy(reader, writer, target), address));
        println!("{} leads to {target}", server.local_addrs()[0]);
        await!(server.serve_forever());
    }

    async fn shout(reader: StreamReader, writer: StreamWriter) {
        async for line in reader {
            writer.write(&line.to_ascii_uppercase())?;
            await!(writer.drain());
        }
    }

    async fn ask(address: SocketAddr, question: Vec<u8>) -> Vec<u8> {
        let (mut reader, writer) = await!(open_connection(address));
        writer.write(&question)?;
        writer.write_eof();
        let answer = await!(reader.read_to_end());
        writer.close();
        answer
    }

    async fn program() {
        let upstream = await!(start_server(shout, "127.0.0.1:0"));
        let target = upstream.local_addrs()[0];
        let server = await!(start_server(move |reader, writer| proxy(reader, writer, target), "127.0.0.1:0"));
        let address = server.local_addrs()[0];
        let questions = ["six eggs", "brown ones", "and salt"];
        let answers = await!(gather(questions.map(|question| ask(address, question.into()))));
        for (question, answer) in questions.iter().zip(answers) {
            println!("asked {question:?}, answered {:?}", String::from_utf8_lossy(&answer));
        }
        let lines = b"a line of twenty...\n".repeat(200_000);
        let answer = await!(ask(address, lines));
        println!("{} bytes came back through the proxy", answer.len());
        upstream.close();
        await!(upstream.wait_closed());
        let answer = await!(ask(address, Vec::new())); // what nobody reads would come back as a reset
        println!("nobody is there: answered {:?}", String::from_utf8_lossy(&answer));
        server.close();
        await!(server.wait_closed());
    }
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next(), arguments.next()) {
        (Some(address), Some(target)) => coro_core::run(listen(address, target.parse()?)),
        _ => coro_core::run(program()),
    }
}
