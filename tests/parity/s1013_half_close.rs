//! Streams with one side ended: what is read and written then, and who closes.

use crate::harness::{bytes, run, show, trace};
use coro_core::{RuntimeError, prelude::*};

async_fn! {
    async fn serve(mut reader: StreamReader, writer: StreamWriter) {
        let data = await!(reader.read_to_end());
        trace!("server read {} {} {}", bytes(&data), reader.at_eof(), writer.is_closing());
        for part in ["one ", "two ", "three"] {
            writer.write(part.as_bytes())?;
            await!(sleep(secs(1)));
        }
        trace!("server can write eof {}", writer.can_write_eof());
        writer.write_eof();
        trace!("server closing {}", writer.is_closing());
        await!(sleep(secs(1)));
        writer.close();
        await!(writer.wait_closed());
        trace!("server closed");
    }

    async fn main() {
        let server = await!(start_server(serve, "127.0.0.1:0"));
        async with server as server {
            let (mut reader, writer) = await!(open_connection(server.local_addrs()[0]));
            writer.write(b"question")?;
            writer.write_eof();
            match writer.write(b"more") {
                Err(e) if e.is::<RuntimeError>() => trace!("{}", show(&e)),
                other => other?,
            }
            trace!("{}", bytes(&await!(reader.readuntil(" "))));
            trace!("{}", bytes(&await!(reader.read_to_end())));
            trace!("{} {}", reader.at_eof(), writer.is_closing());
            await!(sleep(secs(2)));
            writer.close();
            await!(writer.wait_closed());
        }
        trace!("served");
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
