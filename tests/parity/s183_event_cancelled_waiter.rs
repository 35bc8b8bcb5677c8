//! A cancelled event waiter leaves without trace; wait on a set event never gives way.

use crate::harness::{run, trace};
use coro_core::{prelude::*, timeout, wait};
use std::rc::Rc;

async_fn! {
    async fn waiter(name: char, event: Rc<Event>) {
        match try_await!(event.wait()) {
            Err(e) if e.is_cancelled() => {
                trace!("{name} cancelled");
                raise!(e)
            }
            other => other?,
        }
        trace!("{name} woken");
    }

    async fn main() {
        let event = Rc::new(Event::new());
        let tasks = ['a', 'b', 'c'].map(|n| create_task(waiter(n, Rc::clone(&event))));
        await!(sleep(secs(1)));
        tasks[1].cancel();
        event.set();
        trace!("set");
        await!(wait(&tasks));
        trace!("{:?}", tasks.each_ref().map(|t| t.cancelled()));
        match timeout(secs(1), || Event::new().wait().co_await()) {
            Err(e) if e.is_timeout() => trace!("nobody sets it"),
            other => other?,
        }
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
