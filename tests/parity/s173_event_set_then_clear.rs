//! Waiters woken by set are not held back by a clear right after it.

use crate::harness::{run, trace};
use coro_core::prelude::*;
use std::rc::Rc;

async_fn! {
    async fn waiter(name: &'static str, event: Rc<Event>) {
        trace!("{name} {} event is set: {}", try_await!(event.wait()).is_ok(), event.is_set());
    }

    async fn main() {
        let event = Rc::new(Event::new());
        let tasks = ["a", "b", "c"].map(|n| create_task(waiter(n, Rc::clone(&event))));
        await!(sleep(secs(1)));
        event.set();
        event.set();
        event.clear();
        trace!("set and cleared");
        let late = create_task(waiter("late", Rc::clone(&event)));
        await!(sleep(secs(1)));
        trace!("{:?} {}", tasks.each_ref().map(|t| t.done()), late.done());
        event.set();
        await!(late);
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
