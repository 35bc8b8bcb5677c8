//! The order of the callbacks of a protocol over one connection, on both sides.

use crate::harness::{bytes, optional, run, trace};
use coro_core::{Future, Protocol, Transport, prelude::*};
use std::os::unix::net::UnixStream;

struct Note {
    name: &'static str,
    done: Future<()>,
    answer_eof: bool,
}

impl Protocol for Note {
    fn connection_made(&self, _: &Transport) {
        trace!("{} made", self.name);
    }

    fn data_received(&self, data: &[u8]) {
        trace!("{} data {}", self.name, bytes(data));
    }

    fn eof_received(&self) -> bool {
        trace!("{} eof", self.name);
        self.answer_eof
    }

    fn connection_lost(&self, error: Option<Error>) {
        trace!("{} lost {}", self.name, optional(error.as_ref()));
        self.done.set_result(()).unwrap();
    }
}

async_fn! {
    async fn main() {
        let event_loop = get_running_loop()?;
        let (a, b) = UnixStream::pair()?;
        let (lost_a, lost_b) = (Future::new(), Future::new());
        let note = |name, done: &Future<()>, answer_eof| Note { name, done: done.clone(), answer_eof };
        let (ta, _pa) = await!(event_loop.create_connection(|| note("a", &lost_a, false), a));
        let (tb, _pb) = await!(event_loop.create_connection(|| note("b", &lost_b, true), b));
        ta.write(b"hello")?;
        await!(sleep(secs(1)));
        ta.write_eof();
        await!(sleep(secs(1)));
        tb.write(b"answer after eof")?;
        await!(sleep(secs(1)));
        tb.close();
        trace!("closing {}", tb.is_closing());
        await!(lost_b);
        await!(lost_a);
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
