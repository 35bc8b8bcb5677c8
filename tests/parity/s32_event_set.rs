//! One task waits for an event that another sets; the setter goes on first.

use crate::harness::{run, trace};
use coro_core::prelude::*;
use std::rc::Rc;

async_fn! {
    async fn waiter(event: Rc<Event>) {
        trace!("waiting for the event to be set");
        await!(event.wait());
        trace!("event has been set, continuing execution");
    }

    async fn setter(event: Rc<Event>) {
        await!(sleep(secs(2)));
        event.set();
        trace!("event has been set!");
    }

    async fn main() {
        let event = Rc::new(Event::new());
        await!(gather((waiter(Rc::clone(&event)), setter(event))));
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
