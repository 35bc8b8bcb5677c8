//! Readiness callbacks on a socket pair; a replaced reader, and what remove returns.

use crate::harness::{run, trace};
use coro_core::Future;
use coro_core::prelude::*;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::rc::Rc;

fn recv(mut socket: &UnixStream) -> Result<String> {
    let mut buffer = [0; 100];
    let length = socket.read(&mut buffer)?;
    Ok(format!("b'{}'", String::from_utf8_lossy(&buffer[..length])))
}

async_fn! {
    async fn main() {
        let event_loop = get_running_loop()?;
        let (a, b) = UnixStream::pair()?;
        a.set_nonblocking(true)?;
        b.set_nonblocking(true)?;
        let (a, b) = (Rc::new(a), Rc::new(b));
        let got = Future::new();
        event_loop.add_reader(&a, || trace!("replaced, never runs"))?;
        event_loop.add_reader(&a, {
            let (a, got) = (a.clone(), got.clone());
            move || {
                if !got.done() {
                    got.set_result(recv(&a).unwrap()).unwrap();
                }
            }
        })?;
        let ready = Future::new();
        event_loop.add_writer(&b, {
            let (event_loop, b, ready) = (event_loop.clone(), b.clone(), ready.clone());
            move || {
                event_loop.remove_writer(&b);
                (&*b).write_all(b"hello").unwrap();
                ready.set_result("written once").unwrap();
            }
        })?;
        trace!("{}", await!(ready));
        trace!("{}", await!(got));
        let removed = (event_loop.remove_reader(&a), event_loop.remove_reader(&a), event_loop.remove_writer(&b));
        trace!("{} {} {}", removed.0, removed.1, removed.2);
        (&*b).write_all(b"unseen")?;
        await!(sleep(secs(1)));
        trace!("no reader any more; data waits {}", recv(&a)?);
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
