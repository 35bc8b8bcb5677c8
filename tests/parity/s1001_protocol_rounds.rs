//! In which rounds the callbacks of a connection run, beside others that are scheduled meanwhile.

use crate::harness::{bytes, optional, run, trace};
use coro_core::{Future, Protocol, Transport, prelude::*};
use std::cell::RefCell;
use std::os::unix::net::UnixStream;
use std::rc::Rc;

struct Note {
    name: &'static str,
    lost: Future<()>,
    transport: RefCell<Option<Transport>>,
}

impl Note {
    fn new(name: &'static str) -> Self {
        Self { name, lost: Future::new(), transport: RefCell::default() }
    }

    fn transport(&self) -> Transport {
        self.transport.borrow().clone().unwrap()
    }

    fn soon(&self, what: &'static str) {
        let name = self.name;
        get_running_loop().unwrap().call_soon(move || trace!("{name} {what}"));
    }
}

impl Protocol for Note {
    fn connection_made(&self, transport: &Transport) {
        trace!("{} made", self.name);
        self.transport.replace(Some(transport.clone()));
        self.soon("after made");
    }

    fn data_received(&self, data: &[u8]) {
        trace!("{} data {}", self.name, bytes(&data[..data.len().min(5)]));
        let transport = self.transport();
        if data == b"close" {
            transport.close();
            self.soon("after close");
            trace!("{} still in data_received {}", self.name, transport.is_closing());
        } else if data == b"abort" {
            transport.write(&b"not sent".repeat(100_000)).unwrap();
            transport.abort();
            trace!("{} aborted, buffered {}", self.name, transport.get_write_buffer_size());
            self.soon("after abort");
        }
    }

    fn eof_received(&self) -> bool {
        trace!("{} eof", self.name);
        false
    }

    fn connection_lost(&self, error: Option<Error>) {
        trace!("{} lost {} {}", self.name, optional(error.as_ref()), self.transport().is_closing());
        self.lost.set_result(()).unwrap();
    }
}

type Side = (Transport, Rc<Note>);

async_fn! {
    async fn pair() -> (Side, Side) {
        let event_loop = get_running_loop()?;
        let (a, b) = UnixStream::pair()?;
        let a = await!(event_loop.create_connection(|| Note::new("a"), a));
        trace!("one");
        let b = await!(event_loop.create_connection(|| Note::new("b"), b));
        trace!("two");
        (a, b)
    }

    async fn main() {
        let ((ta, pa), (_tb, pb)) = await!(pair());
        ta.write(b"close")?;
        trace!("written");
        await!(&pa.lost);
        trace!("a is lost; b: {}", pb.lost.done());
        await!(&pb.lost);
        let ((ta, pa), (_tb, pb)) = await!(pair());
        ta.write(b"abort")?;
        await!(&pb.lost);
        await!(&pa.lost);
        let ((ta, pa), (tb, pb)) = await!(pair());
        ta.close();
        tb.close();
        trace!("both closing");
        await!(gather((pa.lost.clone(), pb.lost.clone())));
        ta.close();
        ta.abort();
        ta.write(b"late")?;
        trace!("nothing happens {} {}", ta.is_closing(), ta.get_write_buffer_size());
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
