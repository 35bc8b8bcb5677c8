//! A sibling that swallows the group's cancel may finish normally and keep its result.

use crate::harness::{run, trace};
use coro_core::{ValueError, prelude::*};
use std::cell::RefCell;
use std::rc::Rc;

type Slot = Rc<RefCell<Option<Task<&'static str>>>>;

async_fn! {
    async fn stubborn() -> &'static str {
        match try_await!(sleep(secs(100))) {
            Err(e) if e.is_cancelled() => {}
            other => other?,
        }
        await!(sleep(secs(2)));
        "finished anyway"
    }

    async fn fails() {
        await!(sleep(secs(1)));
        raise!(ValueError::new("bad"))
    }

    async fn group(slot: Slot) {
        async with TaskGroup::new() as tg {
            *slot.borrow_mut() = Some(tg.create_task(stubborn()));
            tg.create_task(fails());
        }
    }

    async fn main() {
        let slot = Slot::default();
        let Err(e) = try_await!(group(Rc::clone(&slot))) else { return };
        let group = e.downcast_ref::<ErrorGroup>().ok_or(e.clone())?;
        let Some(task) = slot.take() else { return };
        trace!("{} {}", group.errors().len(), task.result()?);
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
