//! A cancel from outside reaches all children; the group raises CancelledError, not a group.

use crate::harness::{args, run, trace};
use coro_core::prelude::*;
use std::cell::RefCell;
use std::rc::Rc;

type Log = Rc<RefCell<Vec<&'static str>>>;

async_fn! {
    async fn child(name: &'static str, cleanup: u64, log: Log) {
        match try_await!(sleep(secs(100))) {
            Err(e) if e.is_cancelled() => {
                log.borrow_mut().push(name);
                await!(sleep(secs(cleanup)));
                trace!("{name} cleaned up");
                raise!(e)
            }
            other => other?,
        }
    }

    async fn work(log: Log) {
        async with TaskGroup::new() as tg {
            tg.create_task(child("a", 2, Rc::clone(&log)));
            tg.create_task(child("b", 1, Rc::clone(&log)));
        }
    }

    async fn main() {
        let log = Log::default();
        let task = create_task(work(Rc::clone(&log)));
        await!(sleep(secs(1)));
        task.cancel_with("outside");
        match try_await!(&task) {
            Err(e) if e.is_cancelled() => {
                log.borrow_mut().sort_unstable();
                trace!("cancelled {} {:?}", args(&e), log.borrow());
            }
            other => other?,
        }
        trace!("{} {}", task.cancelled(), task.cancelling());
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
