//! Streams over a Unix socket, and a connection to a path that does not exist.

use crate::harness::{bytes, run, trace, type_name_of};
use coro_core::{open_unix_connection, prelude::*, start_unix_server};
use std::io;
use std::path::PathBuf;

async_fn! {
    async fn serve(mut reader: StreamReader, writer: StreamWriter) {
        let mut line = await!(reader.readline());
        line.reverse();
        writer.write(&line)?;
        writer.close();
    }

    async fn main(path: PathBuf) {
        let server = await!(start_unix_server(serve, &path));
        async with server {
            let (mut reader, writer) = await!(open_unix_connection(&path));
            writer.write(b"abc\n")?;
            trace!("{}", bytes(&await!(reader.read_to_end())));
            writer.close();
            await!(writer.wait_closed());
        }
        match try_await!(open_unix_connection(path.with_extension("missing"))) {
            Err(e) if e.is::<io::Error>() => trace!("{}", type_name_of(&e)),
            other => drop(other?),
        }
    }
}

pub fn scenario() -> Result<()> {
    let folder = tempfile::tempdir()?;
    run(main(folder.path().join("socket")))
}
