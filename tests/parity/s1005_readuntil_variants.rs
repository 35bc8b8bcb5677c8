//! readuntil with several separators, at limits and at the end; read, readexactly and readline at their borders.

use crate::harness::{bytes, run, show, trace};
use coro_core::{IncompleteRead, LimitOverrun, prelude::*};
use std::io::BufRead;

const USUAL: usize = 1 << 16;

fn open_reader(chunk: &str, limit: usize) -> Result<StreamReader> {
    let reader = StreamReader::with_limit(limit)?;
    reader.feed_data(chunk.as_bytes())?;
    Ok(reader)
}

fn reader_of(chunk: &str, limit: usize) -> Result<StreamReader> {
    open_reader(chunk, limit).inspect(StreamReader::feed_eof)
}

/// What waits to be read, which goes on waiting.
fn left(reader: &StreamReader) -> Result<Vec<u8>> {
    match format!("{reader:?}").contains(" bytes") {
        true => Ok(reader.clone().as_std().fill_buf()?.to_vec()),
        false => Ok(Vec::new()),
    }
}

async_fn! {
    async fn attempt<A: Awaitable<Output = Vec<u8>>>(what: &'static str, reader: &StreamReader, call: A) {
        match try_await!(call) {
            Ok(data) => trace!("{what} {}", bytes(&data)),
            Err(e) => {
                let incomplete = e.downcast_ref::<IncompleteRead>().map(|e| {
                    format!("{} {}", bytes(e.partial()), e.expected().map_or("None".into(), |n| n.to_string()))
                });
                let overrun = e.downcast_ref::<LimitOverrun>().map(|e| e.consumed().to_string());
                trace!("{what} {} {}", show(&e), incomplete.or(overrun).unwrap_or_default());
            }
        }
        trace!("left: {} {}", bytes(&left(reader)?), reader.at_eof());
    }

    async fn until() {
        let mut r = reader_of("one;two.three", USUAL)?;
        for _ in 0..3 {
            let either = r.readuntil_any([".", ";"]);
            await!(attempt("either", &r, either));
        }
        let mut r = reader_of("xABCDy", USUAL)?;
        let longest = r.readuntil_any(["ABCD", "BC"]);
        await!(attempt("longest", &r, longest));
        let mut r = reader_of("xABCy", USUAL)?;
        let same_end = r.readuntil_any(["ABC", "C"]);
        await!(attempt("same end", &r, same_end));
        let mut r = reader_of("", USUAL)?;
        let none = r.readuntil_any([""; 0]);
        await!(attempt("none", &r, none));
        let empty = r.readuntil_any(["a", ""]);
        await!(attempt("an empty one", &r, empty));
        let nothing = r.readuntil("a");
        await!(attempt("nothing", &r, nothing));
        let mut r = reader_of("12345|", 5)?;
        let just = r.readuntil("|");
        await!(attempt("just", &r, just));
        let mut r = reader_of("123456|", 5)?;
        let too_long = r.readuntil("|");
        await!(attempt("one too long", &r, too_long));
        let anyway = r.read(7);
        await!(attempt("read anyway", &r, anyway));
        let mut r = open_reader("12345", 5)?;
        r.feed_data(b"6")?;
        let not_found = r.readuntil("|");
        await!(attempt("not found", &r, not_found));
        let mut r = open_reader("123456789", 5)?;
        let long = r.readuntil("||||");
        await!(attempt("long separator", &r, long));
    }

    async fn others() {
        let mut r = reader_of("\n\nrest", USUAL)?;
        for _ in 0..4 {
            let line = r.readline();
            await!(attempt("line", &r, line));
        }
        let mut r = reader_of("123456\n7", 5)?;
        for what in ["long line", "next"] {
            let line = r.readline();
            await!(attempt(what, &r, line));
        }
        let mut r = reader_of("12345", USUAL)?;
        for (what, count) in [("exactly 0", 0), ("exactly 3", 3), ("exactly 3", 3), ("exactly 3", 3), ("exactly 0", 0)] {
            let exactly = r.readexactly(count);
            await!(attempt(what, &r, exactly));
        }
        let mut r = reader_of("12345", USUAL)?;
        for (what, count) in [("read 0", 0), ("read 2", 2)] {
            let read = r.read(count);
            await!(attempt(what, &r, read));
        }
        for _ in 0..2 {
            let read = r.read_to_end();
            await!(attempt("read", &r, read));
        }
        let mut lines = Vec::new();
        async for line in reader_of("a\nb\n\nc", USUAL)? {
            lines.push(bytes(&line));
        }
        trace!("[{}]", lines.join(", "));
        if let Err(e) = StreamReader::with_limit(0) {
            trace!("{}", show(&e));
        }
    }

    async fn main() {
        await!(until());
        await!(others());
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
