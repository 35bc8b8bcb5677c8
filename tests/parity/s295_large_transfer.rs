//! Five megabytes through a socket with back-pressure arrive whole and in order.

use crate::harness::{run, trace};
use coro_core::prelude::*;

const COUNT: usize = 80;
const CHUNK: usize = 256 * 256;

async_fn! {
    async fn serve(_reader: StreamReader, writer: StreamWriter) {
        let chunk: Vec<u8> = (0..=255).cycle().take(CHUNK).collect();
        for _ in 0..COUNT {
            writer.write(&chunk)?;
            await!(writer.drain());
        }
        writer.close();
    }

    async fn main() {
        let server = await!(start_server(serve, "127.0.0.1:0"));
        async with server as server {
            let (mut reader, writer) = await!(open_connection(server.local_addrs()[0]));
            let (mut total, mut in_order) = (0_usize, true);
            loop {
                let data = await!(reader.read(50_000));
                if data.is_empty() {
                    break;
                }
                in_order &= data.iter().enumerate().all(|(i, byte)| usize::from(*byte) == (total + i) % 256);
                total += data.len();
            }
            trace!("{total} {in_order}");
            writer.close();
            await!(writer.wait_closed());
        }
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
