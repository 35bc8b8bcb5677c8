//! A callback that removes a later one after completion comes too late: both were scheduled.

use crate::harness::{run, trace};
use coro_core::{CallbackId, Future, prelude::*};
use std::cell::Cell;
use std::rc::Rc;

async_fn! {
    async fn main() {
        let future: Future<()> = get_running_loop()?.create_future();
        let second: Rc<Cell<Option<CallbackId>>> = Rc::default();
        let later = Rc::clone(&second);
        let first = future.add_done_callback(move |f| {
            trace!("first removes {}", later.get().map_or(0, |second| f.remove_done_callback(second)));
            f.add_done_callback(|_| trace!("added by the first"));
        });
        second.set(Some(future.add_done_callback(|_| trace!("second runs all the same"))));
        future.set_result(())?;
        trace!("remove after completion {}", future.remove_done_callback(first));
        await!(sleep(secs(0)));
        trace!("one round");
        await!(sleep(secs(0)));
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
