//! abort breaks a barrier for those who wait and for later comers; reset makes it usable again.

use crate::harness::{run, show, trace};
use coro_core::{Barrier, BrokenBarrier, prelude::*, wait};
use std::rc::Rc;

async_fn! {
    async fn party(name: &'static str, barrier: Rc<Barrier>) {
        match try_await!(barrier.wait()) {
            Err(e) if e.is::<BrokenBarrier>() => trace!("{name} {}", show(&e)),
            place => trace!("{name} {}", place?),
        }
    }

    async fn main() {
        let barrier = Rc::new(Barrier::new(3)?);
        let tasks = ["a", "b"].map(|n| create_task(party(n, Rc::clone(&barrier))));
        await!(sleep(secs(1)));
        barrier.abort()?;
        trace!("broken {}", barrier.broken());
        await!(wait(&tasks));
        await!(party("late", Rc::clone(&barrier)));
        barrier.reset()?;
        trace!("broken {}", barrier.broken());
        await!(gather(["x", "y", "z"].map(|n| party(n, Rc::clone(&barrier)))));
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
