//! With return_exceptions errors and cancels are results, each in its place.

use crate::harness::{KeyError, repr, run, trace};
use coro_core::{Cancelled, gather_return_exceptions, prelude::*};

async_fn! {
    async fn work(name: &'static str, delay: u64, exc: Option<Error>) -> &'static str {
        await!(sleep(secs(delay)));
        if let Some(exc) = exc {
            raise!(exc);
        }
        name
    }

    async fn main() {
        let task = create_task(work("cancelled", 10, None));
        let cancelled = task.any_task();
        get_running_loop()?.call_later(secs(1), move || _ = cancelled.cancel());
        let results = await!(gather_return_exceptions((
            work("a", 3, None),
            work("b", 2, Some(KeyError::new("b").into())),
            task,
            work("d", 1, Some(Cancelled::new().into())),
        )));
        let text = |result: Result<&str>| result.map_or_else(|e| repr(&e), |value| format!("'{value}'"));
        let (a, b, c, d) = results;
        trace!("{:?}", [a, b, c, d].map(text));
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
