//! Two who wait for one reader; cancelling the one who waits loses nothing; what wakes it, and when.

use crate::harness::{bytes, repr, run, show, trace};
use coro_core::{BoxCoroutine, RuntimeError, ValueError, gather_return_exceptions, prelude::*};

fn outcome(result: Result<Vec<u8>>) -> String {
    result.map_or_else(|e| repr(&e), |data| bytes(&data))
}

fn calls(reader: &StreamReader) -> [BoxCoroutine<Vec<u8>>; 4] {
    let mut r = reader.clone();
    [r.read(1).boxed(), r.readexactly(1).boxed(), r.readuntil("x").boxed(), r.readline().boxed()]
}

async_fn! {
    async fn cancelled_waits() {
        let mut reader = StreamReader::new();
        let first = create_task(reader.readline());
        await!(sleep(secs(0)));
        for call in calls(&reader) {
            match try_await!(call) {
                Err(e) if e.is::<RuntimeError>() => trace!("{}", show(&e)),
                other => drop(other?),
            }
        }
        trace!("{}", bytes(&await!(reader.read(0))));
        reader.feed_data(b"half a li")?;
        await!(sleep(secs(1)));
        trace!("done {}", first.done());
        first.cancel();
        match try_await!(first) {
            Err(e) if e.is_cancelled() => trace!("cancelled"),
            other => drop(other?),
        }
        reader.feed_data(b"ne\nnext")?;
        trace!("{}", bytes(&await!(reader.readline())));
        let exact = create_task(reader.readexactly(6));
        await!(sleep(secs(0)));
        reader.feed_data(b"!")?;
        reader.feed_data(b"?")?;
        exact.cancel();
        let results = await!(gather_return_exceptions([exact]));
        trace!("[{}]", results.into_iter().map(outcome).collect::<Vec<_>>().join(", "));
        trace!("{}", bytes(&await!(reader.readexactly(6))));
        let event_loop = get_running_loop()?;
        for (delay, data) in [(1, "late"), (2, "r")] {
            let feeder = reader.clone();
            event_loop.call_later(secs(delay), move || feeder.feed_data(data.as_bytes()).unwrap());
        }
        let feeder = reader.clone();
        event_loop.call_later(secs(3), move || feeder.feed_eof());
        trace!("{}", bytes(&await!(reader.read(100))));
        trace!("{}", bytes(&await!(reader.read(100))));
        let end = await!(reader.read(100));
        trace!("{} {}", bytes(&end), reader.at_eof());
    }

    async fn main() {
        await!(cancelled_waits());
        let mut reader = StreamReader::new();
        let event_loop = get_running_loop()?;
        let waiting = create_task(wait_for(reader.read(10), secs(2)));
        let setter = reader.clone();
        event_loop.call_later(secs(1), move || setter.set_exception(ValueError::new("set")));
        event_loop.call_later(secs(1), || trace!("set"));
        match try_await!(waiting) {
            Err(e) if e.is::<ValueError>() => {
                trace!("{} {}", show(&e), reader.exception().is_some_and(|set| set.same(&e)))
            }
            other => drop(other?),
        }
        let later = [
            reader.read(0).boxed(),
            reader.readexactly(0).boxed(),
            reader.readuntil("x").boxed(),
            reader.read_to_end().boxed(),
        ];
        for call in later {
            match try_await!(call) {
                Err(e) if e.is::<ValueError>() => trace!("later {}", show(&e)),
                other => drop(other?),
            }
        }
        let mut reader = StreamReader::new();
        match try_await!(wait_for(reader.readline(), secs(2))) {
            Err(e) if e.is_timeout() => trace!("{}", show(&e)),
            other => drop(other?),
        }
        reader.feed_data(b"there\n")?;
        trace!("{}", bytes(&await!(reader.readline())));
        trace!("{reader:?}");
        reader.feed_data(b"more")?;
        reader.feed_eof();
        trace!("{reader:?}");
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
