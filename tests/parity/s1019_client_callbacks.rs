//! client_connected_cb: errors, cancellations, a writer that is left open, and a plain function.

use crate::harness::{bytes, run, show, trace};
use coro_core::{AnyTask, ValueError, current_task, prelude::*};
use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

#[derive(Default)]
struct Kept {
    task: RefCell<Option<AnyTask>>,
    writer: RefCell<Option<StreamWriter>>,
}

async_fn! {
    async fn serve(mut reader: StreamReader, writer: StreamWriter, kept: Rc<Kept>) {
        let line = await!(reader.readline());
        trace!("server got {}", bytes(&line));
        if line == b"fail\n" {
            raise!(ValueError::new("failed"));
        }
        if line == b"wait\n" {
            kept.task.replace(current_task());
            await!(sleep(secs(100)));
        }
        if line == b"keep\n" {
            kept.writer.replace(Some(writer.clone()));
            writer.write(b"kept\n")?;
            return;
        }
        writer.write(b"bye\n")?;
        await!(writer.drain());
        if line != b"leave\n" {
            writer.close();
        }
    }

    async fn ask(address: SocketAddr, line: &str, kept: &Kept) {
        let (mut reader, writer) = await!(open_connection(address));
        writer.write(line.as_bytes())?;
        await!(sleep(secs(1)));
        if line == "wait\n" {
            kept.task.take().map(|task| task.cancel());
        }
        if line == "keep\n" {
            trace!("{}", bytes(&await!(reader.readline())));
            kept.writer.take().unwrap().close();
        }
        trace!("{}", bytes(&await!(reader.read_to_end())));
        writer.close();
        await!(writer.wait_closed());
    }

    async fn main() {
        get_running_loop()?.set_exception_handler(|_, context| {
            trace!("handler: {} {}", context.message, show(context.exception.as_ref().unwrap()));
        });
        let kept = Rc::new(Kept::default());
        let shared = kept.clone();
        let server = await!(start_server(move |reader, writer| serve(reader, writer, shared.clone()), "127.0.0.1:0"));
        async with server as server {
            let address = server.local_addrs()[0];
            for line in ["fail\n", "wait\n", "keep\n", "close\n", "leave\n"] {
                await!(ask(address, line, &kept));
            }
        }
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
