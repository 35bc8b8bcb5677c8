//! Three API calls at once, then an average; the API is a local server.

use crate::harness::{run, trace};
use coro_core::prelude::*;
use serde_json::{Value, json};
use std::net::SocketAddr;

async_fn! {
    async fn serve(mut reader: StreamReader, writer: StreamWriter) {
        let request = String::from_utf8(await!(reader.readline()))?;
        await!(reader.readuntil("\r\n\r\n"));
        let path = request.split_whitespace().nth(1).unwrap_or_default();
        let number: u64 = path.rsplit('/').next().unwrap_or_default().parse()?;
        let body = json!({"id": number, "value": number * 10}).to_string();
        writer.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).as_bytes())?;
        await!(writer.drain());
        writer.close();
    }

    async fn fetch_api_data(address: SocketAddr, path: &'static str) -> Value {
        let (mut reader, writer) = await!(open_connection(address));
        writer.write(format!("GET {path} HTTP/1.1\r\nHost: local\r\n\r\n").as_bytes())?;
        let head = String::from_utf8(await!(reader.readuntil("\r\n\r\n")))?;
        let size = head.split("Content-Length: ").nth(1).and_then(|rest| rest.lines().next()).unwrap_or_default();
        let data = serde_json::from_slice(&await!(reader.readexactly(size.parse()?)))?;
        writer.close();
        data
    }

    async fn main() {
        let server = await!(start_server(serve, "127.0.0.1:0"));
        let address = server.local_addrs()[0];
        let mut answers = Vec::new();
        async with server {
            let urls = ["/items/1", "/items/2", "/items/6"];
            answers = await!(gather(urls.map(|url| fetch_api_data(address, url))));
        }
        for answer in &answers {
            trace!("{{'id': {}, 'value': {}}}", answer["id"], answer["value"]);
        }
        let values = answers.iter().filter_map(|answer| answer["value"].as_f64());
        trace!("average {:?}", values.sum::<f64>() / answers.len() as f64);
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
