//! A cancelled child makes gather raise at once, or is a result with return_exceptions.

use crate::harness::{args, repr, run, trace};
use coro_core::{gather_return_exceptions, prelude::*};

type Gathered = Box<dyn FnOnce() -> Result<Vec<String>>>;

fn text(result: Result<&str>) -> String {
    result.map_or_else(|e| repr(&e), |value| format!("'{value}'"))
}

async_fn! {
    async fn child(name: &'static str) -> &'static str {
        await!(sleep(secs(2)));
        name
    }

    async fn main() {
        for keep in [false, true] {
            let a = create_task(child("a"));
            let b = create_task(child("b"));
            let tasks = [a.future(), b.future()];
            let gathered: Gathered = if keep {
                let all = gather_return_exceptions(tasks);
                Box::new(move || Ok(all.co_await()?.into_iter().map(text).collect()))
            } else {
                let all = gather(tasks);
                Box::new(move || Ok(all.co_await()?.into_iter().map(Ok).map(text).collect()))
            };
            await!(sleep(secs(1)));
            a.cancel_with("stop a");
            match gathered() {
                Err(e) if e.is_cancelled() => trace!("raised {} b done: {}", args(&e), b.done()),
                results => trace!("{:?}", results?),
            }
            trace!("b gives {}", await!(&b));
        }
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
