//! A shield hands over the inner result, error or cancel; a finished inner is returned itself.

use crate::harness::{KeyError, run, show, trace};
use coro_core::prelude::*;

async_fn! {
    async fn inner(how: &'static str) -> &'static str {
        await!(sleep(secs(1)));
        if how == "error" {
            raise!(KeyError::new("inside"));
        }
        how
    }

    async fn main() {
        trace!("{}", await!(shield(inner("value"))));
        match try_await!(shield(inner("error"))) {
            Err(e) if e.is::<KeyError>() => trace!("{}", show(&e)),
            other => drop(other?),
        }
        let task = create_task(inner("never"));
        let shield = coro_core::shield(task.future());
        trace!("another object: {}", !shield.same(&task));
        task.cancel();
        match try_await!(&shield) {
            Err(e) if e.is_cancelled() => trace!("inner was cancelled, shield cancelled: {}", shield.cancelled()),
            other => drop(other?),
        }
        let done = create_task(inner("quick"));
        await!(&done);
        trace!("same object when done: {}", coro_core::shield(done.future()).same(&done));
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
