//! `wait`: limits, first completed and first exception with what is done already, cancelled, or done in one round.

use crate::harness::{run, show, trace};
use coro_core::{Future, ReturnWhen, TaskBuilder, ValueError, prelude::*, wait};

use ReturnWhen::{AllCompleted, FirstCompleted, FirstException};

type Work = Task<&'static str>;

async_fn! {
    async fn work(name: &'static str, delay: u64, error: Option<Error>) -> &'static str {
        await!(sleep(secs(delay)));
        error.map_or(Ok(name), Err)?
    }

    async fn attempt(what: &'static str, tasks: Vec<&Work>, limit: Option<Duration>, when: ReturnWhen) {
        let mut waiting = wait(tasks).return_when(when);
        if let Some(limit) = limit {
            waiting = waiting.timeout(limit);
        }
        let (done, pending) = await!(waiting);
        let names = |tasks: Vec<&Work>| {
            let mut names: Vec<String> = tasks.into_iter().map(|task| task.get_name()).collect();
            names.sort();
            names
        };
        trace!("{what} {:?} {:?}", names(done), names(pending));
    }
}

fn start(name: &'static str, delay: u64, error: Option<Error>) -> Work {
    TaskBuilder::new().name(name).create(work(name, delay, error))
}

async_fn! {
    async fn main() {
        let (a, b, c) = (start("a", 1, None), start("b", 2, None), start("c", 3, None));
        await!(attempt("first", vec![&a, &b, &c], None, FirstCompleted));
        await!(attempt("first, one is done", vec![&a, &b, &c], None, FirstCompleted));
        await!(attempt("limit", vec![&a, &b, &c], Some(millis(500)), AllCompleted));
        await!(attempt("limit at the moment of the end", vec![&b, &c], Some(millis(500)), AllCompleted));
        await!(attempt("no time", vec![&c], Some(secs(0)), AllCompleted));
        await!(attempt("all", vec![&a, &b, &c], None, AllCompleted));
        let error = Some(ValueError::new("e").into());
        let (d, e, f) = (start("d", 1, None), start("e", 2, error), start("f", 3, None));
        await!(attempt("first exception", vec![&d, &e, &f], None, FirstException));
        await!(attempt("first exception, one has failed", vec![&d, &e, &f], None, FirstException));
        f.cancel();
        await!(attempt("cancelled counts as done", vec![&f], None, FirstException));
        let (g, h) = (start("g", 5, None), start("h", 1, None));
        g.cancel();
        await!(attempt("a cancellation is no exception", vec![&g, &h], None, FirstException));
        let (i, j) = (start("i", 1, None), start("j", 1, None));
        await!(attempt("two of one moment", vec![&i, &j], None, FirstCompleted));
        match try_await!(wait(Vec::<Work>::new())) {
            Err(e) if e.is::<ValueError>() => trace!("{}", show(&e)),
            other => drop(other?),
        }
        // Given once.
        let (done, pending) = await!(wait([start("k", 1, None)]));
        trace!("{} {}", done.len(), pending.len());
        // Cancelling who waits leaves the tasks alone.
        let l = start("l", 2, None);
        let waits = wait([l.future()]);
        let waiter = TaskBuilder::new().name("Task-2").create(coroutine(move || waits.co_await().map(|_| "waited")));
        await!(sleep(secs(1)));
        waiter.cancel();
        await!(attempt("the waiter", vec![&waiter], None, AllCompleted));
        trace!("{} {} {}", waiter.cancelled(), l.done(), await!(&l));
        // A future among tasks; its callbacks are taken away again.
        let future = Future::<()>::new();
        let m = start("m", 1, None);
        await!(attempt("with a limit", vec![&m], Some(secs(2)), AllCompleted));
        let (done, pending) = await!(wait([&future]).timeout(secs(1)));
        trace!("{} {} {future:?}", done.len(), pending.len());
        trace!("{}", e.exception()?.as_ref().map_or_else(String::new, show));
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
