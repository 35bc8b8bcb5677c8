//! SystemExit in a task breaks out of the loop at once; the task keeps it as its exception.

use crate::harness::{repr, run, show, trace};
use coro_core::{SystemExit, prelude::*};
use std::cell::RefCell;
use std::rc::Rc;

type Kept = Rc<RefCell<Option<Task<()>>>>;

async_fn! {
    async fn exits() {
        await!(sleep(secs(1)));
        raise!(SystemExit(3));
    }

    async fn main(task: Kept) {
        *task.borrow_mut() = Some(create_task(exits()));
        match try_await!(sleep(secs(10))) {
            Err(e) if e.is_cancelled() => {
                trace!("main cancelled by the clean-up of run");
                raise!(e);
            }
            other => other?,
        }
        trace!("not reached");
    }
}

pub fn scenario() -> Result<()> {
    let task = Kept::default();
    match run(main(Rc::clone(&task))) {
        Err(e) if e.is::<SystemExit>() => trace!("out of run {}", show(&e)),
        other => other?,
    }
    let exception = task.take().map(|task| task.exception()).transpose()?.flatten();
    trace!("{}", exception.map_or_else(String::new, |e| repr(&e)));
    Ok(())
}
