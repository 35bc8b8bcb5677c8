//! Datagram endpoints: sizes, empty ones, wrong addresses, connected ones, errors, closing.

use crate::harness::{bytes, optional, run, show, trace, type_name_of};
use coro_core::{DatagramProtocol, DatagramTransport, Future, ValueError, prelude::*};
use std::cell::RefCell;
use std::net::{SocketAddr, UdpSocket};

struct Note {
    name: &'static str,
    lost: Future<()>,
    transport: RefCell<Option<DatagramTransport>>,
}

impl Note {
    fn new(name: &'static str) -> Self {
        Self { name, lost: Future::new(), transport: RefCell::default() }
    }

    fn transport(&self) -> DatagramTransport {
        self.transport.borrow().clone().unwrap()
    }
}

impl DatagramProtocol for Note {
    fn connection_made(&self, transport: &DatagramTransport) {
        trace!("{} made", self.name);
        self.transport.replace(Some(transport.clone()));
    }

    fn datagram_received(&self, data: &[u8], from: SocketAddr) {
        trace!("{} got {} {}", self.name, data.len(), bytes(&data[..data.len().min(10)]));
        if data == b"echo" {
            self.transport().sendto(b"echoed", Some(from)).unwrap();
        }
        if data == b"close" {
            self.transport().close();
        }
    }

    fn error_received(&self, error: Error) {
        trace!("{} error {}", self.name, type_name_of(&error));
    }

    fn connection_lost(&self, error: Option<Error>) {
        trace!("{} lost {}", self.name, optional(error.as_ref()));
        self.lost.set_result(()).unwrap();
    }
}

async_fn! {
    async fn main() {
        let event_loop = get_running_loop()?;
        let local = "127.0.0.1:0";
        let (ta, pa) = await!(event_loop.create_datagram_endpoint(|| Note::new("a")).local_addr(local));
        let address = ta.sockname().unwrap();
        let (tb, pb) = await!(event_loop.create_datagram_endpoint(|| Note::new("b")).remote_addr(address));
        trace!("{} {}", ta.peername().map_or("None".to_owned(), |a| a.to_string()), tb.peername() == Some(address));
        tb.sendto(b"one", None)?;
        tb.sendto(b"", None)?;
        tb.sendto(b"three", Some(address))?;
        await!(sleep(secs(1)));
        match tb.sendto(b"elsewhere", Some("127.0.0.1:1".parse()?)) {
            Err(e) if e.is::<ValueError>() => trace!("ValueError {}", &e.to_string()[..31]),
            other => other?,
        }
        tb.sendto(b"echo", None)?;
        await!(sleep(secs(1)));
        tb.sendto(&[b'x'; 60_000], None)?;
        await!(sleep(secs(1)));
        ta.sendto(&[b'y'; 70_000], tb.sockname())?;
        trace!("too long");
        tb.sendto(b"close", None)?;
        await!(&pa.lost);
        trace!("closed {} {}", ta.is_closing(), tb.is_closing());
        tb.sendto(b"to nobody", None)?;
        await!(sleep(secs(1)));
        tb.sendto(b"to nobody", None)?;
        await!(sleep(secs(1)));
        trace!("{} {:?}", ta.get_write_buffer_size(), tb.get_write_buffer_limits());
        tb.abort();
        tb.abort();
        trace!("aborted {}", pb.lost.done());
        await!(&pb.lost);
        let note = || Note::new("c");
        let nowhere = event_loop.create_datagram_endpoint(note);
        let two_families = event_loop.create_datagram_endpoint(note).local_addr(local).remote_addr("[::1]:9");
        for endpoint in [nowhere, two_families] {
            match try_await!(endpoint) {
                Err(e) if e.is::<ValueError>() => trace!("{}", show(&e)),
                other => drop(other?),
            }
        }
        let socket = UdpSocket::bind(local)?;
        let (tc, pc) = await!(event_loop.create_datagram_endpoint(|| Note::new("c")).socket(socket));
        tc.sendto(b"myself", tc.sockname())?;
        await!(sleep(secs(1)));
        tc.close();
        tc.close();
        await!(&pc.lost);
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
