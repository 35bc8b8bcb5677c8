//! Transports over pipes: what each end is told when the other one closes.

use crate::harness::{bytes, run, show, trace, type_name_of};
use coro_core::{Future, Protocol, Transport, ValueError, prelude::*};
use std::fs::File;
use std::rc::Rc;

struct Note {
    name: &'static str,
    lost: Future<()>,
}

impl Note {
    fn new(name: &'static str) -> Self {
        Self { name, lost: Future::new() }
    }
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
        true
    }

    fn connection_lost(&self, error: Option<Error>) {
        trace!("{} lost {}", self.name, error.as_ref().map_or("None", type_name_of));
        self.lost.set_result(()).unwrap();
    }
}

type End = (Transport, Rc<Note>);

async_fn! {
    async fn pipe() -> (End, End) {
        let event_loop = get_running_loop()?;
        let (r, w) = std::io::pipe()?;
        let reading = await!(event_loop.connect_read_pipe(|| Note::new("r"), r));
        let writing = await!(event_loop.connect_write_pipe(|| Note::new("w"), w));
        (reading, writing)
    }

    async fn main() {
        let ((tr, pr), (tw, pw)) = await!(pipe());
        tw.write(b"hello")?;
        await!(sleep(secs(1)));
        trace!("{} {} {}", tw.can_write_eof(), tr.is_reading(), tw.get_write_buffer_size());
        tw.write_eof();
        trace!("closing {} {}", tw.is_closing(), tr.is_closing());
        tw.write(b"late")?;
        await!(&pw.lost);
        await!(&pr.lost);
        let much = vec![b'x'; 1_000_000];
        let ((tr, pr), (tw, pw)) = await!(pipe());
        tr.pause_reading();
        tw.write(&much)?;
        trace!("buffered {}", tw.get_write_buffer_size() > 500_000);
        tr.close();
        await!(&pr.lost);
        await!(&pw.lost);
        let ((tr, pr), (_tw, pw)) = await!(pipe());
        tr.close();
        await!(&pr.lost);
        await!(&pw.lost);
        let ((tr, pr), (tw, pw)) = await!(pipe());
        tr.pause_reading();
        tw.write(&much)?;
        tw.abort();
        trace!("aborted {}", tw.get_write_buffer_size());
        await!(&pw.lost);
        tr.close();
        await!(&pr.lost);
        let file = File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))?;
        match try_await!(get_running_loop()?.connect_read_pipe(|| Note::new("f"), file)) {
            Err(e) if e.is::<ValueError>() => trace!("{}", show(&e)),
            other => drop(other?),
        }
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
