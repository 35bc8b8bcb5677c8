//! A peer that aborts: the read fails with ConnectionResetError, and so do later drains.

use crate::harness::{run, trace, type_name_of};
use coro_core::{Future, prelude::*};
use std::io;

async_fn! {
    async fn serve(mut reader: StreamReader, writer: StreamWriter, connected: Future<()>) {
        let Some(socket) = writer.socket() else { return };
        socket2::SockRef::from(&socket).set_linger(Some(secs(0)))?;
        await!(reader.readexactly(1));
        writer.transport().abort();
        connected.set_result(())?;
    }

    async fn main() {
        let connected = Future::new();
        let told = connected.clone();
        let server = await!(start_server(move |reader, writer| serve(reader, writer, told.clone()), "127.0.0.1:0"));
        async with server as server {
            let (mut reader, writer) = await!(open_connection(server.local_addrs()[0]));
            writer.write(b"x")?;
            match try_await!(reader.read_to_end()) {
                Err(e) if e.is::<io::Error>() => trace!("read: {}", type_name_of(&e)),
                other => drop(other?),
            }
            await!(connected);
            writer.write(b"more")?;
            match try_await!(writer.drain()) {
                Err(e) if e.is::<io::Error>() => trace!("drain: {}", type_name_of(&e)),
                other => other?,
            }
            writer.close();
        }
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
