//! The awaited future is done but the task has not run yet: the cancel still wins.

use crate::harness::{run, trace};
use coro_core::{Future, prelude::*, wait};

async_fn! {
    async fn work(future: Future<&'static str>) {
        match try_await!(&future) {
            Err(e) if e.is_cancelled() => {
                trace!("cancelled; the future has {}", future.result()?);
                raise!(e)
            }
            value => trace!("value {}", value?),
        }
    }

    async fn main() {
        let future = get_running_loop()?.create_future();
        let task = create_task(work(future.clone()));
        await!(sleep(secs(1)));
        future.set_result("lost")?;
        trace!("cancel {}", task.cancel());
        await!(wait([&task]));
        trace!("{} {}", task.cancelled(), future.cancelled());
        let quick = create_task(sleep(secs(0)));
        await!(sleep(secs(0)));
        await!(sleep(secs(0)));
        trace!("done {} cancel {}", quick.done(), quick.cancel());
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
