//! A closed server waits for its clients to go; close_clients sends them off.

use crate::harness::{bytes, run, trace};
use coro_core::prelude::*;

async_fn! {
    async fn serve(mut reader: StreamReader, writer: StreamWriter) {
        let line = await!(reader.readline());
        trace!("server got {}", bytes(&line));
        let rest = await!(reader.read_to_end());
        trace!("server sees the end: {} closing: {}", bytes(&rest), writer.is_closing());
        writer.close();
    }

    async fn main() {
        let server = await!(start_server(serve, "127.0.0.1:0"));
        let (mut reader, writer) = await!(open_connection(server.local_addrs()[0]));
        writer.write(b"hello\n")?;
        await!(sleep(secs(1)));
        let closed = create_task(server.wait_closed());
        await!(sleep(secs(1)));
        trace!("an open server: wait_closed is done: {}", closed.done());
        server.close();
        await!(sleep(secs(1)));
        let sockets = if server.sockets().is_empty() { "()" } else { "(..)" };
        let state = format!("{} {} {sockets}", closed.done(), server.is_serving());
        trace!("closed, with a client: wait_closed is done: {state}");
        server.close_clients();
        await!(closed);
        trace!("wait_closed is over");
        trace!("client reads {}", bytes(&await!(reader.read_to_end())));
        writer.close();
        await!(writer.wait_closed());
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
