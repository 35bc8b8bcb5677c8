//! pause_writing and resume_writing: at which sizes; limits that are set, and wrong ones.

use crate::harness::{optional, run, show, trace};
use coro_core::{Protocol, Transport, ValueError, prelude::*};
use std::cell::{Cell, RefCell};
use std::os::unix::net::UnixStream;

struct Flow {
    name: &'static str,
    count: Cell<usize>,
    transport: RefCell<Option<Transport>>,
}

impl Flow {
    fn new(name: &'static str) -> Self {
        Self { name, count: Cell::new(0), transport: RefCell::default() }
    }

    fn transport(&self) -> Transport {
        self.transport.borrow().clone().unwrap()
    }
}

impl Protocol for Flow {
    fn connection_made(&self, transport: &Transport) {
        self.transport.replace(Some(transport.clone()));
    }

    fn data_received(&self, data: &[u8]) {
        self.count.set(self.count.get() + data.len());
    }

    fn pause_writing(&self) {
        let transport = self.transport();
        trace!(
            "{} pause {}",
            self.name,
            transport.get_write_buffer_size() > transport.get_write_buffer_limits().1
        );
    }

    fn resume_writing(&self) {
        let transport = self.transport();
        trace!(
            "{} resume {}",
            self.name,
            transport.get_write_buffer_size() <= transport.get_write_buffer_limits().0
        );
    }

    fn connection_lost(&self, error: Option<Error>) {
        trace!("{} lost {}", self.name, optional(error.as_ref()));
    }
}

async_fn! {
    async fn main() {
        let event_loop = get_running_loop()?;
        let (a, b) = UnixStream::pair()?;
        let (ta, _pa) = await!(event_loop.create_connection(|| Flow::new("a"), a));
        let (tb, pb) = await!(event_loop.create_connection(|| Flow::new("b"), b));
        trace!("{:?}", ta.get_write_buffer_limits());
        let limits = [
            (Some(1000), None),
            (None, Some(100)),
            (Some(0), None),
            (None, None),
            (Some(50), Some(50)),
            (Some(10), Some(20)),
            (Some(1), Some(1)),
        ];
        for (high, low) in limits {
            match ta.set_write_buffer_limits(high, low) {
                Err(e) if e.is::<ValueError>() => trace!("{}", show(&e)),
                other => other?,
            }
            trace!("{:?}", ta.get_write_buffer_limits());
        }
        ta.set_write_buffer_limits(Some(1000), Some(10))?;
        let much = vec![b'x'; 2_000_000];
        tb.pause_reading();
        ta.write(&much)?;
        trace!("written {}", ta.get_write_buffer_size() > 1_000_000);
        ta.write(b"y")?;
        await!(sleep(secs(1)));
        trace!("pausing b holds it up {}", pb.count.get());
        tb.resume_reading();
        await!(sleep(secs(1)));
        trace!("{} {}", pb.count.get(), ta.get_write_buffer_size());
        tb.pause_reading();
        ta.set_write_buffer_limits(Some(10_000_000), None)?;
        ta.write(&much)?;
        trace!("no pause");
        ta.set_write_buffer_limits(Some(100), None)?;
        trace!("limit lowered");
        ta.set_write_buffer_limits(Some(10_000_000), None)?;
        trace!("limit raised");
        tb.resume_reading();
        await!(sleep(secs(1)));
        trace!("{}", pb.count.get());
        tb.pause_reading();
        ta.set_write_buffer_limits(Some(100), None)?;
        ta.write(&much)?;
        ta.abort();
        await!(sleep(secs(1)));
        tb.resume_reading();
        await!(sleep(secs(1)));
        trace!("end");
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
