//! One future given twice is waited for once; its result is in both places.

use crate::harness::{run, trace};
use coro_core::prelude::*;
use std::cell::Cell;
use std::rc::Rc;

async_fn! {
    async fn work(runs: Rc<Cell<u32>>) -> Rc<()> {
        runs.set(runs.get() + 1);
        await!(sleep(secs(1)));
        Rc::new(())
    }

    async fn main() {
        let runs = Rc::new(Cell::new(0));
        // A coroutine is one call, and is moved: what can be given twice is the future of its task.
        let coro = create_task(work(Rc::clone(&runs))).future();
        let task = create_task(work(Rc::clone(&runs))).future();
        let all = await!(gather([coro.clone(), task.clone(), coro, task]));
        let same = |x: usize, y: usize| Rc::ptr_eq(&all[x], &all[y]);
        trace!("runs {} same: {} {} {}", runs.get(), same(0, 2), same(1, 3), same(0, 1));
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
