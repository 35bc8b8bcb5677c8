//! create_connection and create_server that fail: one address, several, none; Unix paths.

use crate::harness::{run, trace, type_name_of};
use coro_core::{Protocol, prelude::*};
use std::io;
use std::net::TcpListener;

struct Quiet;

impl Protocol for Quiet {}

async_fn! {
    async fn attempt<A: Awaitable>(what: &'static str, call: A) {
        match try_await!(call) {
            Ok(_) => trace!("{what} well"),
            Err(e) if e.is::<ErrorGroup>() => {
                trace!("{what} create_connection failed {:?}", e.errors().iter().map(type_name_of).collect::<Vec<_>>())
            }
            Err(e) if e.is::<io::Error>() => {
                trace!("{what} {} {}", type_name_of(&e), e.to_string().starts_with("Multiple exceptions: "))
            }
            Err(e) => raise!(e),
        }
    }

    async fn main() {
        let event_loop = get_running_loop()?;
        let free = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let connection = |address| event_loop.create_connection(|| Quiet, address);
        await!(attempt("one", connection(free)));
        await!(attempt("one, all", connection(free).all_errors()));
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        await!(attempt("in use", event_loop.create_server(|| Quiet, address)));
        await!(attempt("well", connection(address)));
        await!(attempt("from elsewhere", connection(address).local_addr("127.0.0.1:0")));
        await!(attempt("from no address of ours", connection(address).local_addr("192.0.2.1:0")));
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("socket");
        await!(attempt("no path", event_loop.create_unix_connection(|| Quiet, &path)));
        let server = await!(event_loop.create_unix_server(|| Quiet, &path));
        trace!("{}", path.exists());
        let other = await!(event_loop.create_unix_server(|| Quiet, &path));
        server.close();
        trace!("the other's stays: {}", path.exists());
        other.close();
        trace!("removed: {}", path.exists());
        std::fs::write(&path, "")?;
        await!(attempt("a file", event_loop.create_unix_server(|| Quiet, &path)));
        await!(attempt("a file", event_loop.create_unix_connection(|| Quiet, &path)));
        await!(attempt("no folder", event_loop.create_unix_server(|| Quiet, folder.path().join("missing/socket"))));
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
