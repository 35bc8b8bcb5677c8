//! as_completed with a limit, by both ways; an iterator that is left early; what it leaves behind.

use crate::harness::{args, run, show, trace};
use coro_core::{StopAsyncIteration, anext, as_completed, prelude::*, wait};

async_fn! {
    async fn work(name: &'static str, delay: u64) -> &'static str {
        match try_await!(sleep(secs(delay))) {
            Err(e) if e.is_cancelled() => {
                trace!("{name} cancelled");
                raise!(e);
            }
            other => other?,
        }
        name
    }

    async fn read(tasks: &[Task<&'static str>]) {
        async for task in as_completed(tasks.iter().map(|task| task.future())).timeout(secs(3)) {
            trace!("completed {}", await!(task));
        }
    }

    async fn main() {
        let event_loop = get_running_loop()?;
        let start = |(name, delay)| create_task(work(name, delay));
        let tasks = [("a", 1), ("b", 5), ("c", 2)].map(start);
        let done = |tasks: &[Task<_>; 3]| tasks.each_ref().map(|task| task.done());
        match try_await!(read(&tasks)) {
            Err(e) if e.is_timeout() => trace!("{} {:?}", show(&e), done(&tasks)),
            other => other?,
        }
        trace!("goes on: {}", await!(&tasks[1]));
        let tasks = [("d", 1), ("e", 5), ("f", 4)].map(start);
        for nearest in as_completed(tasks.each_ref().map(|task| task.future())).timeout(secs(3)) {
            match try_await!(nearest) {
                Err(e) if e.is_timeout() => trace!("{} {:?}", show(&e), done(&tasks)),
                name => trace!("completed {}", name?),
            }
        }
        await!(wait(&tasks));
        // The awaitables outlive the iterator.
        let tasks = [("g", 2), ("h", 1)].map(start);
        let first = as_completed(tasks).next().expect("two wait");
        trace!("first {}", await!(first));
        let tasks = [("i", 2), ("j", 9), ("k", 1)].map(start);
        let all: Vec<_> = as_completed(tasks).timeout(secs(5)).collect();
        for nearest in all {
            match try_await!(nearest) {
                Err(e) if e.is_timeout() => trace!("{}", show(&e)),
                name => trace!("completed {}", name?),
            }
        }
        // Awaited out of turn: who asks first gets the first.
        let mut iterator = as_completed([work("l", 1), work("m", 2)]);
        let (one, other) = (iterator.next().expect("the first"), iterator.next().expect("the other"));
        trace!("{} {}", await!(other), await!(one));
        // A reader that is cancelled takes nothing away.
        let mut iterator = as_completed([work("n", 2), work("o", 4)]);
        match timeout(secs(1), || anext(&mut iterator)) {
            Err(e) if e.is_timeout() => trace!("reader {}", show(&e)),
            other => drop(other?),
        }
        trace!("next {}", await!(anext(&mut iterator)?));
        match anext(&mut iterator) {
            Err(e) if e.is::<StopAsyncIteration>() => trace!("{}", show(&e)),
            other => drop(other?),
        }
        // Done at creation: it is handed out in the next round; a cancelled one raises.
        let task = create_task(work("p", 1));
        await!(sleep(secs(0)));
        task.cancel_with("why");
        await!(wait([&task]));
        event_loop.call_soon(|| trace!("a callback"));
        for nearest in as_completed([task]) {
            match try_await!(nearest) {
                Err(e) if e.is_cancelled() => trace!("cancelled {}", args(&e)),
                name => trace!("completed {}", name?),
            }
        }
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
