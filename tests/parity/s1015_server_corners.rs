//! Server: serve_forever cancelled and closed, twice, on a closed server; wait_closed; start_serving; close_clients.

use crate::harness::{args, bytes, run, trace, type_name_of};
use coro_core::{RuntimeError, prelude::*};
use std::io;

async_fn! {
    async fn serve(mut reader: StreamReader, writer: StreamWriter) {
        trace!("client");
        let data = await!(reader.read_to_end());
        trace!("client said {}", bytes(&data));
        writer.close();
    }

    async fn attempt<A: Awaitable<Output = ()>>(what: &'static str, call: A) {
        match try_await!(call) {
            Ok(()) => trace!("{what} None"),
            Err(e) if e.is::<RuntimeError>() => {
                let text = e.to_string();
                trace!("{what} {} {}", type_name_of(&e), &text[text.len().saturating_sub(40)..])
            }
            Err(e) if e.is_cancelled() => trace!("{what} cancelled {}", args(&e)),
            Err(e) => raise!(e),
        }
    }

    async fn cancelled() {
        let server = await!(start_server(serve, "127.0.0.1:0").start_serving(false));
        trace!("{} {}", server.is_serving(), server.sockets().len());
        let address = server.local_addrs()[0];
        match try_await!(open_connection(address)) {
            Err(e) if e.is::<io::Error>() => trace!("{}", type_name_of(&e)),
            other => drop(other?),
        }
        await!(server.start_serving());
        await!(server.start_serving());
        trace!("{}", server.is_serving());
        let forever = create_task(attempt("forever", server.serve_forever()));
        await!(sleep(secs(1)));
        await!(attempt("again", server.serve_forever()));
        let (_reader, writer) = await!(open_connection(address));
        writer.write(b"hello")?;
        await!(sleep(secs(1)));
        let waiting = create_task(server.wait_closed());
        forever.cancel_with("enough");
        await!(sleep(secs(1)));
        trace!("forever {} serving {} closed {}", forever.done(), server.is_serving(), waiting.done());
        writer.close();
        await!(forever);
        await!(waiting);
        trace!("all closed {}", server.sockets().len());
        await!(attempt("closed", server.serve_forever()));
        await!(attempt("wait", server.wait_closed()));
        server.close();
        match try_await!(server.start_serving()) {
            Err(e) if e.is::<RuntimeError>() => trace!("start {}", type_name_of(&e)),
            other => other?,
        }
    }

    async fn main() {
        await!(cancelled());
        let server = await!(start_server(serve, "127.0.0.1:0"));
        let forever = create_task(attempt("forever", server.serve_forever()));
        await!(sleep(secs(1)));
        server.close();
        await!(forever);
        let server = await!(start_server(serve, "127.0.0.1:0"));
        let address = server.local_addrs()[0];
        let pairs = [await!(open_connection(address)), await!(open_connection(address))];
        await!(sleep(secs(1)));
        server.abort_clients();
        trace!("aborted {}", server.is_serving());
        for (mut reader, writer) in pairs {
            trace!("{}", bytes(&await!(reader.read_to_end())));
            writer.close();
        }
        server.close();
        server.close();
        await!(server.wait_closed());
        let server = await!(start_server(serve, "127.0.0.1:0"));
        async with &mut server.clone() as server {
            trace!("in {}", server.is_serving());
        }
        trace!("out {}", server.is_serving());
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
