//! What may be written after write_eof, close, abort and the end of the other side.

use crate::harness::{bytes, run, show, trace, type_name_of};
use coro_core::{Future, Protocol, RuntimeError, Transport, prelude::*};
use std::cell::RefCell;
use std::os::unix::net::UnixStream;
use std::rc::Rc;

struct Quiet {
    data: RefCell<Vec<u8>>,
    lost: Future<&'static str>,
}

impl Quiet {
    fn new() -> Self {
        Self { data: RefCell::default(), lost: Future::new() }
    }
}

impl Protocol for Quiet {
    fn data_received(&self, data: &[u8]) {
        self.data.borrow_mut().extend(data);
    }

    fn eof_received(&self) -> bool {
        true
    }

    fn connection_lost(&self, error: Option<Error>) {
        self.lost.set_result(error.as_ref().map_or("NoneType", type_name_of)).unwrap();
    }
}

type Side = (Transport, Rc<Quiet>);

async_fn! {
    async fn pair() -> (Side, Side) {
        let event_loop = get_running_loop()?;
        let (a, b) = UnixStream::pair()?;
        (await!(event_loop.create_connection(Quiet::new, a)), await!(event_loop.create_connection(Quiet::new, b)))
    }

    async fn main() {
        let ((ta, pa), (tb, pb)) = await!(pair());
        ta.write(b"")?;
        ta.writelines(["one ", "", "two"])?;
        ta.writelines([""; 0])?;
        ta.write_eof();
        ta.write_eof();
        for refused in [ta.write(b"x"), ta.writelines(["x"]), ta.write(b"")] {
            match refused {
                Err(e) if e.is::<RuntimeError>() => trace!("{}", show(&e)),
                other => other?,
            }
        }
        await!(sleep(secs(1)));
        let closing = (ta.can_write_eof(), ta.is_closing(), tb.is_closing());
        trace!("{} {} {} {}", bytes(&pb.data.borrow()), closing.0, closing.1, closing.2);
        tb.write(b"back")?;
        await!(sleep(secs(1)));
        trace!("{}", bytes(&pa.data.borrow()));
        ta.close();
        trace!("closing {} {}", ta.is_closing(), ta.is_reading());
        ta.resume_reading();
        ta.pause_reading();
        trace!("reading {}", ta.is_reading());
        trace!("{}", await!(&pa.lost));
        tb.close();
        trace!("{}", await!(&pb.lost));

        let ((ta, pa), (tb, pb)) = await!(pair());
        tb.pause_reading();
        ta.write(&vec![b'z'; 3_000_000])?;
        ta.close();
        trace!("buffered {}", ta.get_write_buffer_size() > 0);
        ta.write(b"after close")?;
        await!(sleep(secs(1)));
        trace!("lost {}", pa.lost.done());
        tb.resume_reading();
        trace!("{}", await!(&pa.lost));
        await!(sleep(secs(1)));
        let data = pb.data.take();
        trace!("{} {}", data.len(), bytes(&data[data.len() - 11..]));
        tb.close();

        let ((ta, pa), (tb, pb)) = await!(pair());
        tb.abort();
        trace!("{}", await!(&pb.lost));
        ta.write(b"to nobody")?;
        for _ in 0..9 {
            ta.write(b"again")?;
        }
        trace!("{}", await!(&pa.lost));
        ta.write(b"late")?;
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
