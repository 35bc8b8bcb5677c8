//! A transport that pauses reading delivers nothing until it resumes.

use crate::harness::{bytes, run, trace};
use coro_core::{Protocol, prelude::*};
use std::cell::RefCell;
use std::io::Write;
use std::os::unix::net::UnixStream;

#[derive(Default)]
struct Collect {
    data: RefCell<Vec<u8>>,
}

impl Protocol for Collect {
    fn data_received(&self, data: &[u8]) {
        self.data.borrow_mut().extend(data);
    }
}

async_fn! {
    async fn main() {
        let event_loop = get_running_loop()?;
        let (a, mut b) = UnixStream::pair()?;
        let (transport, protocol) = await!(event_loop.create_connection(Collect::default, a));
        trace!("reading {}", transport.is_reading());
        b.write_all(b"one ")?;
        await!(sleep(secs(1)));
        transport.pause_reading();
        trace!("reading {}", transport.is_reading());
        b.write_all(b"two")?;
        await!(sleep(secs(1)));
        trace!("{}", bytes(&protocol.data.borrow()));
        transport.resume_reading();
        await!(sleep(secs(1)));
        trace!("{}", bytes(&protocol.data.borrow()));
        transport.abort();
        drop(b);
        await!(sleep(secs(0)));
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
