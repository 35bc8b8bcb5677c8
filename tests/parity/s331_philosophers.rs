//! Five philosophers with forks as locks, taken in a fixed order: nobody starves.

use crate::harness::{run, trace};
use coro_core::{prelude::*, timeout};
use std::rc::Rc;

async_fn! {
    async fn philosopher(n: usize, forks: Rc<[Lock; 5]>) {
        let next = (n + 1) % 5;
        let (low, high) = (n.min(next), n.max(next));
        for meal in 0..2 {
            async with &forks[low] {
                await!(sleep(millis(250)));
                async with &forks[high] {
                    trace!("{n} eats {meal}");
                    await!(sleep(secs(1)));
                }
            }
            await!(sleep(millis(500)));
        }
    }

    async fn main() {
        let forks: Rc<[Lock; 5]> = Rc::default();
        timeout(secs(100), || gather((0..5).map(|n| philosopher(n, Rc::clone(&forks)))).co_await())?;
        trace!("all fed");
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
