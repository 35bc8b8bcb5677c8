//! drain with several who wait, when the connection is lost, closed, or the reader has failed.

use crate::harness::{bytes, run, show, trace};
use coro_core::{ValueError, gather_return_exceptions, prelude::*};
use std::fmt::Display;
use std::os::unix::net::UnixStream;

type Side = (StreamReader, StreamWriter);

async_fn! {
    async fn pair() -> (Side, Side) {
        let (a, b) = UnixStream::pair()?;
        (await!(open_connection(a)), await!(open_connection(b)))
    }

    async fn drained<N: Display>(name: N, writer: StreamWriter) {
        match try_await!(writer.drain()) {
            Ok(()) => trace!("{name} drained"),
            Err(e) if e.is_cancelled() => raise!(e),
            Err(e) => trace!("{name} {}", show(&e)),
        }
    }

    async fn paused() {
        let ((_ra, wa), (mut rb, wb)) = await!(pair());
        wb.transport().pause_reading();
        await!(drained("small", wa.clone()));
        let much = vec![b'x'; 3_000_000];
        wa.write(&much)?;
        let tasks: Vec<Task<()>> = (0..3).map(|i| create_task(drained(i, wa.clone()))).collect();
        await!(sleep(secs(1)));
        tasks[1].cancel();
        await!(sleep(secs(1)));
        trace!("{:?}", tasks.iter().map(|t| t.done()).collect::<Vec<_>>());
        wb.transport().resume_reading();
        let read = await!(rb.readexactly(3_000_000));
        trace!("{}", read.len());
        await!(gather_return_exceptions(tasks.iter().map(|t| t.future())));
        trace!("{:?}", tasks.iter().map(|t| t.cancelled()).collect::<Vec<_>>());
        wb.transport().pause_reading();
        wa.write(&much)?;
        let tasks: Vec<Task<()>> = (0..2).map(|i| create_task(drained(i, wa.clone()))).collect();
        await!(sleep(secs(1)));
        wa.transport().abort();
        await!(gather(tasks));
        await!(drained("after abort", wa.clone()));
        await!(wa.wait_closed());
        trace!("closed");
        wb.close();
    }

    async fn lost() {
        let ((_ra, wa), (mut rb, wb)) = await!(pair());
        wa.close();
        trace!("{}", wa.is_closing());
        await!(drained("closing", wa.clone()));
        await!(drained("closed", wa.clone()));
        trace!("{}", bytes(&await!(rb.read_to_end())));
        wb.write(b"x")?;
        await!(drained("to nobody", wb.clone()));
        await!(drained("to nobody", wb.clone()));
        for _ in 0..2 {
            match try_await!(wb.wait_closed()) {
                Ok(()) => {}
                Err(e) => trace!("wait_closed {}", show(&e)),
            }
        }
    }

    async fn main() {
        await!(paused());
        await!(lost());
        let ((ra, wa), (_rb, wb)) = await!(pair());
        ra.set_exception(ValueError::new("set"));
        await!(drained("reader failed", wa.clone()));
        wa.close();
        wb.close();
        await!(wa.wait_closed());
        await!(wb.wait_closed());
        trace!("end");
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
