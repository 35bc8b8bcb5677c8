//! What waits to be read is told after what is ready in that round: after a pause, and where more than one message waits.

use crate::harness::{bytes, run, trace};
use coro_core::{DatagramProtocol, DatagramTransport, Protocol, Transport, prelude::*};
use std::cell::RefCell;
use std::io::Write;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixStream};

struct Note {
    name: &'static str,
    pauses: bool,
    transport: RefCell<Option<Transport>>,
}

impl Note {
    fn new(name: &'static str, pauses: bool) -> Self {
        Self { name, pauses, transport: RefCell::default() }
    }

    fn note(&self, data: &[u8]) {
        let (name, data) = (self.name, bytes(data));
        trace!("{name} {data}");
        get_running_loop().unwrap().call_soon(move || trace!("{name} after {data}"));
    }
}

impl Protocol for Note {
    fn connection_made(&self, transport: &Transport) {
        self.transport.replace(Some(transport.clone()));
    }

    fn data_received(&self, data: &[u8]) {
        self.note(data);
        if let Some(transport) = self.transport.borrow().as_ref().filter(|_| self.pauses) {
            transport.pause_reading();
        }
    }
}

impl DatagramProtocol for Note {
    fn datagram_received(&self, data: &[u8], _: SocketAddr) {
        self.note(data);
    }
}

async_fn! {
    async fn resume(transport: &Transport, again: bool) {
        transport.resume_reading();
        if again {
            transport.pause_reading();
            transport.resume_reading();
        }
        get_running_loop()?.call_soon(|| trace!("soon"));
        await!(sleep(Duration::ZERO));
        trace!("main");
        await!(sleep(secs(1)));
    }

    async fn main() {
        let event_loop = get_running_loop()?;
        let (near, mut far) = UnixStream::pair()?;
        let (stream, _) = await!(event_loop.create_connection(|| Note::new("stream", false), near));
        await!(sleep(secs(1)));
        stream.pause_reading();
        far.write_all(b"one")?;
        await!(sleep(secs(1)));
        await!(resume(&stream, false));
        stream.pause_reading();
        far.write_all(b"two")?;
        await!(sleep(secs(1)));
        stream.resume_reading();
        stream.pause_reading();
        event_loop.call_soon(|| trace!("soon"));
        await!(sleep(secs(1)));
        trace!("taken back");
        await!(resume(&stream, true));
        stream.close();

        let (near, far) = UnixDatagram::pair()?;
        let near = OwnedFd::from(near);
        let (packets, _) = await!(event_loop.connect_read_pipe(|| Note::new("packets", true), near));
        for packet in ["one", "two", "three"] {
            far.send(packet.as_bytes())?;
        }
        await!(sleep(secs(1)));
        await!(resume(&packets, false));
        await!(resume(&packets, true));
        packets.close();

        let sender = UdpSocket::bind("127.0.0.1:0")?;
        let mut ends: Vec<DatagramTransport> = Vec::new();
        for name in ["a", "b"] {
            let endpoint = event_loop.create_datagram_endpoint(move || Note::new(name, false));
            ends.push(await!(endpoint.local_addr("127.0.0.1:0")).0);
        }
        await!(sleep(secs(1)));
        for datagram in ["one", "two", "three"] {
            for transport in &ends {
                sender.send_to(datagram.as_bytes(), transport.sockname().unwrap())?;
            }
        }
        event_loop.call_soon(|| trace!("soon"));
        await!(sleep(secs(1)));
        ends.iter().for_each(DatagramTransport::close);
        await!(sleep(secs(1)));
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
