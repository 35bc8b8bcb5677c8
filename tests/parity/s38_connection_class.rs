//! A type with an entry and an exit that suspend.

use crate::harness::{dict, run, trace};
use coro_core::prelude::*;

dict!(Database { driver: &'static str });

struct Connection;

impl AsyncContextManager for Connection {
    type Value = Database;

    fn aenter(&mut self) -> Result<Database> {
        trace!("Setting up a connection");
        sleep(secs(1)).co_await()?;
        Ok(Database { driver: "sqlite" })
    }

    fn aexit(&mut self, error: Option<&Error>) -> Result<bool> {
        sleep(secs(1)).co_await()?;
        trace!("Connection is closed {:?}", error.map(Error::type_name));
        Ok(false)
    }
}

async_fn! {
    async fn main() {
        async with Connection as db {
            trace!("{db:?} is ready");
        }
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
