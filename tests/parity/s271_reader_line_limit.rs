//! A line longer than the limit is a ValueError; its bytes are dropped, what follows can be read.

use crate::harness::{bytes, run, show, trace};
use coro_core::{ValueError, prelude::*};

async_fn! {
    async fn main() {
        let mut reader = StreamReader::with_limit(8)?;
        reader.feed_data(b"this line is too long\nshort\n")?;
        match try_await!(reader.readline()) {
            Err(e) if e.is::<ValueError>() => trace!("{}", show(&e)),
            other => drop(other?),
        }
        trace!("{}", bytes(&await!(reader.readline())));
        let mut reader = StreamReader::with_limit(4)?;
        reader.feed_data(b"no newline at all")?;
        match try_await!(reader.readline()) {
            Err(e) if e.is::<ValueError>() => trace!("{}", show(&e)),
            other => drop(other?),
        }
        reader.feed_data(b"x\n")?;
        reader.feed_eof();
        trace!("{}", bytes(&await!(reader.read_to_end())));
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
