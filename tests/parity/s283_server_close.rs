//! A closed server takes no new connections, but those it has go on.

use crate::harness::{bytes, run, trace, type_name_of};
use coro_core::prelude::*;
use std::io;

async_fn! {
    async fn serve(reader: StreamReader, writer: StreamWriter) {
        async for line in reader {
            writer.writelines([b"> ", &line[..]])?;
        }
        writer.close();
    }

    async fn main() {
        let server = await!(start_server(serve, "127.0.0.1:0"));
        let address = server.local_addrs()[0];
        let (mut reader, writer) = await!(open_connection(address));
        writer.write(b"before\n")?;
        trace!("{}", bytes(&await!(reader.readline())));
        server.close();
        let sockets = if server.sockets().is_empty() { "()" } else { "(..)" };
        trace!("serving {} sockets {sockets}", server.is_serving());
        match try_await!(open_connection(address)) {
            Err(e) if e.is::<io::Error>() => trace!("{}", type_name_of(&e)),
            other => drop(other?),
        }
        writer.write(b"after\n")?;
        trace!("{}", bytes(&await!(reader.readline())));
        writer.close();
        await!(writer.wait_closed());
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
