//! A refused connection is an error; a connect under a timeout cleans up.

use crate::harness::{run, trace, type_name_of};
use coro_core::prelude::*;
use std::io;
use std::net::TcpListener;

async_fn! {
    async fn main() {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        match try_await!(open_connection(address)) {
            Err(e) if e.is::<io::Error>() => trace!("{}", type_name_of(&e)),
            other => drop(other?),
        }
        let results = await!(gather_return_exceptions((0..3).map(|_| open_connection(address))));
        let names: Vec<&str> = results.iter().map(|result| result.as_ref().map_or_else(type_name_of, |_| "tuple")).collect();
        trace!("{names:?}");
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
