//! `async with`: an entry and an exit that may await, from a type of your own or from a generator function.
//!
//! ```sh
//! cargo run --example context_manager
//! ```
//! ```text
//! Setting up a connection
//! sqlite is ready
//! Connection is closed
//! Setting up
//! postgres is ready
//! Shutting down
//! Setting up a connection
//! Connection is closed after: no such table
//! program got: no such table
//! ```
use coro_core::prelude::*;

struct Connection;

impl AsyncContextManager for Connection {
    type Value = &'static str;

    fn aenter(&mut self) -> Result<Self::Value> {
        println!("Setting up a connection");
        sleep(millis(100)).co_await()?;
        Ok("sqlite")
    }

    fn aexit(&mut self, error: Option<&Error>) -> Result<bool> {
        sleep(millis(100)).co_await()?;
        match error {
            None => println!("Connection is closed"),
            Some(error) => println!("Connection is closed after: {error}"),
        }
        Ok(false) // true would swallow the error
    }
}

async_fn! {
    /// Python's `@asynccontextmanager`: one yield between the entry and the exit.
    async fn connection() yields &'static str {
        println!("Setting up");
        await!(sleep(millis(100)));
        yield!("postgres");
        await!(sleep(millis(100)));
        println!("Shutting down");
    }

    async fn query(table: &str) {
        async with Connection {
            raise!("no such {table}"); // leaves through the exit
        }
    }

    async fn program() {
        async with Connection as driver {
            println!("{driver} is ready");
        }
        async with context_manager(connection()) as driver {
            println!("{driver} is ready");
        }
        if let Err(error) = try_await!(query("table")) {
            println!("program got: {error}");
        }
    }
}

fn main() -> Result<()> {
    coro_core::run(program())
}
