//! What becomes of exceptions in the callbacks of a protocol, and what the exception handler is told.

use crate::harness::{bytes, run, trace, type_name_of};
use coro_core::{Future, Protocol, Transport, prelude::*};
use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::rc::Rc;

struct Fails {
    place: &'static str,
    lost: Future<()>,
}

impl Fails {
    fn fail(&self, name: &str) {
        if name == self.place {
            std::panic::panic_any(name.to_owned());
        }
    }
}

impl Protocol for Fails {
    fn connection_made(&self, _: &Transport) {
        self.fail("made");
    }

    fn data_received(&self, data: &[u8]) {
        trace!("data {}", bytes(data));
        self.fail("data");
    }

    fn eof_received(&self) -> bool {
        trace!("eof");
        self.fail("eof");
        false
    }

    fn pause_writing(&self) {
        self.fail("pause");
    }

    fn resume_writing(&self) {
        self.fail("resume");
    }

    fn connection_lost(&self, error: Option<Error>) {
        trace!("lost {}", error.as_ref().map_or("None", type_name_of));
        self.lost.set_result(()).unwrap();
        self.fail("lost");
    }
}

type Present = Rc<RefCell<Option<Transport>>>;

async_fn! {
    async fn session(place: &'static str, present: Present) {
        trace!("-- {place}");
        let (a, mut b) = UnixStream::pair()?;
        b.set_nonblocking(true)?;
        let fails = || Fails { place, lost: Future::new() };
        let (transport, protocol) = await!(get_running_loop()?.create_connection(fails, a));
        present.replace(Some(transport.clone()));
        trace!("connected {}", transport.is_closing());
        b.write_all(b"one")?;
        await!(sleep(secs(1)));
        trace!("closing {}", transport.is_closing());
        if !transport.is_closing() {
            transport.write(&vec![b'x'; 1_000_000])?;
            let (mut count, mut buffer) = (0, vec![0; 100_000]);
            while count < 1_000_000 {
                match b.read(&mut buffer) {
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => await!(sleep(secs(0))),
                    read => count += read?,
                }
            }
            await!(sleep(secs(1)));
            drop(b);
        }
        await!(&protocol.lost);
        await!(sleep(secs(0)));
        present.replace(None);
    }

    async fn main() {
        let present = Present::default();
        let told = present.clone();
        get_running_loop()?.set_exception_handler(move |_, context| {
            let (message, closing) = match context.message.strip_prefix("Exception in callback") {
                Some(_) => ("Exception in callback", "None".to_owned()),
                None => {
                    let transport = told.borrow().clone().unwrap();
                    (&*context.message, transport.is_closing().to_string())
                }
            };
            trace!("handler: {message} | closing: {closing}");
        });
        for place in ["made", "data", "eof", "lost", "pause", "resume"] {
            await!(session(place, present.clone()));
        }
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
