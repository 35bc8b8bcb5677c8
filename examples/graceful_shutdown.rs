//! `Signals`: a program that is asked to end closes what it has open first. On Unix, where there is `kill`.
//!
//! ```sh
//! cargo run --example graceful_shutdown
//! ```
//! ```text
//! server 1: open
//! server 2: open
//! SIGTERM: ending
//! server 1: closing
//! server 2: closing
//! server 1: closed
//! server 2: closed
//! ```
use coro_core::prelude::*;
use coro_core::signal::{SignalKind, Signals};

async_fn! {
    async fn server(number: u32) {
        println!("server {number}: open");
        if let Err(error) = try_await!(Event::new().wait()) { // serves for ever
            println!("server {number}: closing");
            await!(sleep(millis(50)));
            println!("server {number}: closed");
            raise!(error);
        }
    }

    async fn program() {
        // Ctrl-C would cancel this coroutine; both signals are read from here instead.
        let mut ends = Signals::new([SignalKind::interrupt(), SignalKind::terminate()])?;
        let servers = [1, 2].map(|number| create_task(server(number)));
        get_running_loop()?.call_later(millis(100), ask_to_end);
        if let Some(kind) = ends.anext()? {
            println!("{kind}: ending");
        }
        for server in &servers {
            server.cancel();
        }
        await!(gather_return_exceptions(servers));
    }
}

/// What somebody else would do: `kill` sends SIGTERM.
fn ask_to_end() {
    let id = std::process::id().to_string();
    std::process::Command::new("kill").arg(id).status().expect("Unix has the program `kill`");
}

fn main() -> Result<()> {
    coro_core::run(program())
}
