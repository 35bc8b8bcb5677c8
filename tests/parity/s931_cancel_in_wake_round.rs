//! `wait`, `gather`, `as_completed` and await meet a cancellation in the round in which they are woken.

use crate::harness::{repr, run, show, trace};
use coro_core::{Future, ValueError, as_completed, gather_return_exceptions, prelude::*, timeout, wait};
use std::fmt::Debug;

type Text = &'static str;

async_fn! {
    async fn one(future: Future<Text>) -> Text {
        await!(future)
    }

    async fn by_wait(future: Future<Text>) -> (usize, usize) {
        let (done, pending) = await!(wait([future]));
        (done.len(), pending.len())
    }

    async fn by_gather(future: Future<Text>) -> [Text; 2] {
        let (first, second) = await!(gather((future, sleep(secs(0)).result("s"))));
        [first, second]
    }

    async fn by_gather_exceptions(future: Future<Text>) -> Vec<Outcome> {
        let results = await!(gather_return_exceptions([future]));
        results.into_iter().map(Outcome).collect()
    }

    async fn by_as_completed(future: Future<Text>) -> Text {
        let mut all = as_completed([future]);
        match Iterator::next(&mut all) {
            Some(nearest) => await!(nearest),
            None => "nothing",
        }
    }

    async fn by_async_for(future: Future<Text>) -> Text {
        async for nearest in as_completed([future]) {
            return await!(nearest);
        }
        "nothing"
    }

    async fn by_wait_for(future: Future<Text>) -> Text {
        await!(wait_for(future, secs(10)))
    }

    async fn by_shield(future: Future<Text>) -> Text {
        await!(shield(future))
    }

    async fn by_group(future: Future<Text>) -> Text {
        let mut task = None;
        async with TaskGroup::new() as tg {
            task = Some(tg.create_task(one(future)));
        }
        task.map_or(Ok("nothing"), |task| task.result())?
    }

    async fn by_timeout(future: Future<Text>) -> Text {
        timeout(secs(10), || future.co_await())?
    }

    async fn attempt<A: Awaitable<Output: Clone + Debug> + 'static>(
        name: Text,
        way: fn(Future<Text>) -> A,
        order: Text,
        result: Result<Text>,
    ) {
        let future = Future::new();
        let task = create_task(way(future.clone()));
        for _ in 0..3 {
            await!(sleep(secs(0)));
        }
        let mut rounds = 0;
        for step in order.chars() {
            match (step, &result) {
                ('s', _) if future.done() => {}
                ('s', Ok(value)) => future.set_result(value)?,
                ('s', Err(error)) => future.set_exception(error.clone())?,
                ('c', _) => drop(task.cancel()),
                _ => await!(sleep(secs(0))),
            }
        }
        while !task.done() {
            rounds += 1;
            await!(sleep(secs(0)));
        }
        trace!("{name} {order} {} {} {rounds}", outcome(&task.future()), outcome(&future));
    }
}

/// One of the results that are exceptions or values.
#[derive(Clone)]
struct Outcome(Result<Text>);

impl Debug for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Ok(value) => value.fmt(f),
            Err(error) => f.write_str(&repr(error)),
        }
    }
}

fn outcome<T: Clone + Debug + 'static>(future: &Future<T>) -> String {
    match future.result() {
        _ if !future.done() => "pending".to_owned(),
        _ if future.cancelled() => "cancelled".to_owned(),
        Ok(value) => format!("{value:?}"),
        Err(error) => show(&error),
    }
}

fn attempts<A: Awaitable<Output: Clone + Debug> + 'static>(
    name: Text,
    way: fn(Future<Text>) -> A,
) -> Result<()> {
    for order in ["s", "sc", "cs", "src", "srrc", "crs"] {
        attempt(name, way, order, Ok("r")).co_await()?;
    }
    for order in ["s", "sc", "src"] {
        attempt(name, way, order, Err(ValueError::new("v").into())).co_await()?;
    }
    Ok(())
}

async_fn! {
    async fn main() {
        attempts("one", one)?;
        attempts("by_wait", by_wait)?;
        attempts("by_gather", by_gather)?;
        attempts("by_gather_exceptions", by_gather_exceptions)?;
        attempts("by_as_completed", by_as_completed)?;
        attempts("by_async_for", by_async_for)?;
        attempts("by_wait_for", by_wait_for)?;
        attempts("by_shield", by_shield)?;
        attempts("by_group", by_group)?;
        attempts("by_timeout", by_timeout)?;
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
