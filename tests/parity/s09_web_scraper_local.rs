//! Two pages fetched at once and written to files; servers are local.

use crate::harness::{run, trace};
use coro_core::prelude::*;
use std::net::SocketAddr;
use std::path::PathBuf;

async_fn! {
    async fn serve(mut reader: StreamReader, writer: StreamWriter) {
        let request = String::from_utf8(await!(reader.readline()))?;
        await!(reader.readuntil("\r\n\r\n"));
        let path = request.split_whitespace().nth(1).unwrap_or_default();
        let body = format!("<html>page {path}</html>");
        writer.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).as_bytes())?;
        await!(writer.drain());
        writer.close();
    }

    async fn fetch_url(address: SocketAddr, path: &'static str) -> String {
        let (mut reader, writer) = await!(open_connection(address));
        writer.write(format!("GET {path} HTTP/1.1\r\nHost: local\r\n\r\n").as_bytes())?;
        let head = String::from_utf8(await!(reader.readuntil("\r\n\r\n")))?;
        let size = head.split("Content-Length: ").nth(1).and_then(|rest| rest.lines().next()).unwrap_or_default();
        let body = await!(reader.readexactly(size.parse()?));
        writer.close();
        String::from_utf8(body)?
    }

    async fn save_content(filename: PathBuf, content: String) {
        await!(to_thread(move || std::fs::write(filename, content)))?;
    }

    async fn main(folder: PathBuf, paths: [&'static str; 2]) {
        let server = await!(start_server(serve, "127.0.0.1:0"));
        let address = server.local_addrs()[0];
        let mut contents = Vec::new();
        async with server {
            contents = await!(gather(paths.map(|path| fetch_url(address, path))));
        }
        let save = |(i, content)| save_content(folder.join(format!("file_{i}.html")), content);
        await!(gather(contents.into_iter().enumerate().map(save)));
    }
}

pub fn scenario() -> Result<()> {
    let folder = tempfile::tempdir()?;
    run(main(folder.path().to_owned(), ["/one", "/two"]))?;
    let mut files = std::fs::read_dir(folder.path())?.collect::<std::io::Result<Vec<_>>>()?;
    files.sort_by_key(|file| file.file_name());
    for file in files {
        trace!("{} {}", file.file_name().display(), std::fs::read_to_string(file.path())?);
    }
    Ok(())
}
