//! readuntil with a separator split over chunks, beyond the limit, and cut off by the end.

use crate::harness::{bytes, run, show, trace};
use coro_core::{IncompleteRead, LimitOverrun, ValueError, prelude::*};

async_fn! {
    async fn main() {
        let mut reader = StreamReader::with_limit(10)?;
        reader.feed_data(b"abc\r")?;
        let feeder = reader.clone();
        get_running_loop()?.call_later(secs(1), move || feeder.feed_data(b"\ndef").unwrap());
        trace!("{}", bytes(&await!(reader.readuntil("\r\n"))));
        reader.feed_data(b"ghijklmnop\r\n")?;
        if let Err(e) = try_await!(reader.readuntil("\r\n")) {
            let Some(overrun) = e.downcast_ref::<LimitOverrun>() else { raise!(e) };
            trace!("{} {}", show(&e), overrun.consumed());
        }
        trace!("nothing was dropped: {}", bytes(&await!(reader.read(20))));
        reader.feed_data(b"tail")?;
        reader.feed_eof();
        if let Err(e) = try_await!(reader.readuntil("\r\n")) {
            let Some(incomplete) = e.downcast_ref::<IncompleteRead>() else { raise!(e) };
            trace!("{} {}", show(&e), bytes(incomplete.partial()));
        }
        match try_await!(reader.readuntil("")) {
            Err(e) if e.is::<ValueError>() => trace!("{}", show(&e)),
            other => drop(other?),
        }
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
