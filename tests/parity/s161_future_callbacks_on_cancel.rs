//! Cancelling a future schedules its callbacks too; a failing callback does not stop the others.

use crate::harness::{run, show, trace};
use coro_core::prelude::*;

async_fn! {
    async fn main() {
        let event_loop = get_running_loop()?;
        event_loop.set_exception_handler(|_, c| {
            trace!("handler: {}", c.exception.as_ref().map(show).unwrap_or_default());
        });
        let future = event_loop.create_future::<()>();
        future.add_done_callback(|f| trace!("one {}", f.cancelled()));
        future.add_done_callback(|_| panic!("callback"));
        future.add_done_callback(|f| trace!("two {}", f.done()));
        future.cancel();
        trace!("cancelled");
        await!(sleep(secs(0)));
        trace!("end");
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
