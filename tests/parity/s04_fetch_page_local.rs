//! One HTTP GET; the live site is replaced by a server in this process.

use crate::harness::{run, trace};
use coro_core::prelude::*;
use std::net::SocketAddr;

const BODY: &str = "<!doctype html><html><head><title>local page</title></head><body>hi</body></html>";

async_fn! {
    async fn serve(mut reader: StreamReader, writer: StreamWriter) {
        await!(reader.readuntil("\r\n\r\n"));
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", BODY.len());
        writer.write(format!("{head}{BODY}").as_bytes())?;
        await!(writer.drain());
        writer.close();
    }

    async fn fetch_page(address: SocketAddr, path: &str) -> String {
        let (mut reader, writer) = await!(open_connection(address));
        writer.write(format!("GET {path} HTTP/1.1\r\nHost: local\r\n\r\n").as_bytes())?;
        let head = String::from_utf8(await!(reader.readuntil("\r\n\r\n")))?;
        trace!("{}", head.lines().next().unwrap_or_default());
        let body = await!(reader.read_to_end());
        writer.close();
        await!(writer.wait_closed());
        String::from_utf8(body)?
    }

    async fn main() {
        let server = await!(start_server(serve, "127.0.0.1:0"));
        async with server as server {
            let html = await!(fetch_page(server.local_addrs()[0], "/"));
            trace!("{}", &html[..html.len().min(100)]);
        }
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
