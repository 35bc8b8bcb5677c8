//! Large writes in both directions at once, in pieces and in one; who is told of the end, in which order.

use crate::harness::{bytes, run, trace};
use coro_core::prelude::*;

const SIZE: usize = 4_000_000;

async_fn! {
    async fn serve(mut reader: StreamReader, writer: StreamWriter) {
        writer.write(&vec![b's'; SIZE])?;
        let data = await!(reader.readexactly(SIZE));
        trace!("server read {} {}", data.len(), data.iter().all(|byte| *byte == b'c'));
        await!(writer.drain());
        writer.writelines(["end", " of ", "all"])?;
        writer.close();
        trace!("server buffered {}", writer.transport().get_write_buffer_size());
        await!(writer.wait_closed());
        trace!("server closed");
    }

    async fn main() {
        let server = await!(start_server(serve, "127.0.0.1:0").limit(1000));
        async with server as server {
            let (mut reader, writer) = await!(open_connection(server.local_addrs()[0]));
            for _ in 0..40 {
                writer.write(&[b'c'; SIZE / 40])?;
            }
            let data = await!(reader.readexactly(SIZE));
            await!(sleep(secs(1)));
            trace!("client read {} {}", data.len(), data.iter().all(|byte| *byte == b's'));
            trace!("{}", bytes(&await!(reader.read_to_end())));
            writer.close();
            await!(writer.wait_closed());
            trace!("client closed");
        }
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
