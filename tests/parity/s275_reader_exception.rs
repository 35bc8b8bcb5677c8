//! An exception set on a reader wakes who waits, and is raised by every later read.

use crate::harness::{run, show, trace};
use coro_core::prelude::*;
use std::io;

async_fn! {
    async fn main() {
        let mut reader = StreamReader::new();
        reader.feed_data(b"buffered")?;
        let setter = reader.clone();
        let gone = || io::Error::new(io::ErrorKind::ConnectionReset, "gone");
        get_running_loop()?.call_later(secs(1), move || setter.set_exception(gone()));
        match try_await!(reader.readline()) {
            Err(e) if e.is::<io::Error>() => trace!("waiting: {}", show(&e)),
            other => drop(other?),
        }
        match try_await!(reader.read(3)) {
            Err(e) if e.is::<io::Error>() => {
                trace!("later: {} {}", show(&e), reader.exception().is_some_and(|set| set.same(&e)))
            }
            other => drop(other?),
        }
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
