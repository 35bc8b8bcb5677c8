//! The rules of `gather`: the first error goes out, others go on; cancel goes in; a cancelled child.

use crate::harness::{run, show, trace};
use coro_core::{ValueError, prelude::*};

async_fn! {
    async fn job(name: &'static str, delay: u64, fail: bool) -> &'static str {
        match try_await!(sleep(secs(delay))) {
            Err(e) if e.is_cancelled() => {
                trace!("{name} cancelled");
                raise!(e)
            }
            other => other?,
        }
        trace!("{name} {}", if fail { "failing" } else { "ending" });
        if fail {
            raise!(ValueError::new(name));
        }
        name
    }

    async fn main() {
        match try_await!(gather((job("a", 1, true), job("b", 2, false)))) {
            Err(e) if e.is::<ValueError>() => trace!("gather raised {}", show(&e)),
            other => drop(other?),
        }
        await!(sleep(secs(2)));
        let outer = gather((job("c", 1, false), job("d", 5, false)));
        await!(sleep(secs(2)));
        outer.cancel();
        match try_await!(outer) {
            Err(e) if e.is_cancelled() => trace!("gather was cancelled"),
            other => drop(other?),
        }
        let child = create_task(job("e", 1, false));
        let sibling = create_task(job("f", 2, false));
        let outer = gather((child.future(), sibling.future()));
        await!(sleep(millis(500)));
        child.cancel();
        match try_await!(&outer) {
            Err(e) if e.is_cancelled() => {
                let (cancelled, done) = (outer.cancelled(), sibling.done());
                trace!("child was cancelled; outer cancelled: {cancelled} sibling done: {done}");
            }
            other => drop(other?),
        }
        trace!("{}", await!(sibling));
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
