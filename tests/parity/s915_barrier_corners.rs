//! A barrier: who is cancelled counts as gone, late comers wait for the draining, resets, what it tells of itself.

use crate::harness::{run, show, trace};
use coro_core::{Barrier, BrokenBarrier, ValueError, prelude::*, wait};
use std::rc::Rc;

/// `[broken]>` of `<Barrier [broken]>`.
fn state(barrier: &Barrier) -> String {
    format!("{barrier:?}").replace("<Barrier ", "")
}

async_fn! {
    async fn enter(name: &'static str, barrier: &Barrier) {
        async with barrier as place {
            trace!("{name} {place} {} {}", state(barrier), barrier.n_waiting());
        }
    }

    async fn party(name: &'static str, barrier: Rc<Barrier>) {
        match try_await!(enter(name, &barrier)) {
            Err(e) if e.is::<BrokenBarrier>() => trace!("{name} {} {}", show(&e), state(&barrier)),
            Err(e) if e.is_cancelled() => {
                trace!("{name} cancelled {}", state(&barrier));
                raise!(e);
            }
            other => other?,
        }
    }

    async fn twice(name: &'static str, barrier: Rc<Barrier>) {
        for turn in 0..2 {
            let place = await!(barrier.wait());
            trace!("{name} turn {turn} place {place} {}", state(&barrier));
        }
    }

    async fn main() {
        match Barrier::new(0) {
            Err(e) if e.is::<ValueError>() => trace!("{}", show(&e)),
            other => drop(other?),
        }
        let barrier = Rc::new(Barrier::new(3)?);
        let start = |name| create_task(party(name, Rc::clone(&barrier)));
        trace!("{} {}", state(&barrier), barrier.parties());
        let mut tasks = Vec::from(["a", "b"].map(start));
        await!(sleep(secs(1)));
        trace!("{} {}", state(&barrier), barrier.n_waiting());
        tasks[0].cancel();
        await!(sleep(secs(0)));
        trace!("{}", state(&barrier));
        await!(sleep(secs(1)));
        trace!("{}", state(&barrier));
        tasks.extend(["c", "d", "e", "f", "g"].map(start));
        await!(sleep(secs(1)));
        trace!("{}", state(&barrier));
        tasks.push(start("h"));
        await!(sleep(secs(1)));
        trace!("{} {:?}", state(&barrier), tasks.iter().map(|t| t.done()).collect::<Vec<_>>());
        tasks[7].cancel();
        await!(wait(&tasks));
        await!(gather(["x", "y", "z"].map(|n| twice(n, Rc::clone(&barrier)))));
        let mut tasks = Vec::from(["i", "j"].map(start));
        await!(sleep(secs(1)));
        barrier.reset()?;
        trace!("reset {}", state(&barrier));
        tasks.extend(["k", "l"].map(start));
        await!(sleep(secs(0)));
        trace!("{}", state(&barrier));
        await!(sleep(secs(1)));
        trace!("{}", state(&barrier));
        tasks[3].cancel();
        barrier.abort()?;
        trace!("abort {}", state(&barrier));
        await!(wait(&tasks));
        barrier.abort()?;
        barrier.reset()?;
        trace!("{}", state(&barrier));
        // Cancelled in the round in which the barrier opens: the others go on.
        let tasks = ["m", "n", "o"].map(start);
        await!(sleep(secs(0)));
        tasks[0].cancel();
        await!(wait(&tasks));
        trace!("{} {:?}", state(&barrier), tasks.map(|t| t.cancelled()));
        // An abort while it drains.
        let tasks = ["p", "q", "r"].map(start);
        await!(sleep(secs(0)));
        barrier.abort()?;
        await!(wait(&tasks));
        trace!("{}", state(&barrier));
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
