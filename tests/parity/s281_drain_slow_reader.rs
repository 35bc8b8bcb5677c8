//! drain holds a fast writer back until a slow reader has taken most of the data.

use crate::harness::{bytes, run, trace};
use coro_core::prelude::*;
use std::os::unix::net::UnixStream;

async_fn! {
    async fn main() {
        let (a, b) = UnixStream::pair()?;
        socket2::SockRef::from(&a).set_send_buffer_size(4096)?;
        let (_reader, writer) = await!(open_connection(a));
        let (mut other, other_writer) = await!(open_connection(b).limit(1024));
        writer.transport().set_write_buffer_limits(Some(1000), None)?;
        writer.write(&[b'x'; 10])?;
        await!(writer.drain());
        trace!("a small write does not wait");
        let size = 1_000_000;
        writer.write(&vec![b'y'; size])?;
        let draining = create_task(writer.drain());
        await!(sleep(secs(1)));
        trace!("drained: {} buffered: {}", draining.done(), writer.transport().get_write_buffer_size() > 1000);
        let data = await!(other.readexactly(size + 10));
        await!(draining);
        trace!("all read: {} buffer small: {}", data.len(), writer.transport().get_write_buffer_size() <= 1000);
        writer.close();
        trace!("{}", bytes(&await!(other.read_to_end())));
        other_writer.close();
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
