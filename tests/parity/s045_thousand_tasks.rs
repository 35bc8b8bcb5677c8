//! A thousand tasks start, wake and finish in the order they were created.

use crate::harness::{run, trace};
use coro_core::prelude::*;
use std::cell::RefCell;
use std::rc::Rc;

type Log = Rc<RefCell<Vec<(&'static str, u32)>>>;

async_fn! {
    async fn worker(i: u32, log: Log) -> u32 {
        log.borrow_mut().push(("start", i));
        await!(sleep(secs(0)));
        log.borrow_mut().push(("step", i));
        await!(sleep(secs(1)));
        log.borrow_mut().push(("wake", i));
        i
    }

    async fn main() {
        let log = Log::default();
        let tasks: Vec<Task<u32>> = (0..1_000).map(|i| create_task(worker(i, Rc::clone(&log)))).collect();
        let results = await!(gather(tasks));
        let expected: Vec<(&str, u32)> =
            ["start", "step", "wake"].into_iter().flat_map(|what| (0..1_000).map(move |i| (what, i))).collect();
        let results = results == (0..1_000).collect::<Vec<_>>();
        trace!("order kept: {} results: {results}", *log.borrow() == expected);
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
