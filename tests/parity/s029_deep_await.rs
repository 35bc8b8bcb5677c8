//! Two hundred nested awaits pass a result, an exception and a cancel through every level.

use crate::harness::{LookupError, run, show, trace};
use coro_core::{BoxCoroutine, prelude::*, wait};
use std::cell::RefCell;
use std::rc::Rc;

type Seen = Rc<RefCell<Vec<u32>>>;
type End = fn() -> BoxCoroutine<u32>;

async_fn! {
    async fn down(n: u32, end: End, seen: Seen) -> u32 {
        if n == 0 {
            return await!(end());
        }
        match try_await!(down(n - 1, end, Rc::clone(&seen))) {
            Err(e) if e.is_cancelled() => {
                seen.borrow_mut().push(n);
                raise!(e)
            }
            other => 1 + other?,
        }
    }

    async fn value() -> u32 {
        await!(sleep(secs(1)));
        0
    }

    async fn error() -> u32 {
        await!(sleep(secs(1)));
        raise!(LookupError::new("at the bottom"))
    }

    async fn forever() -> u32 {
        await!(sleep(secs(1_000)));
        0
    }

    async fn main() {
        let seen = Seen::default();
        trace!("{}", await!(down(200, || value().boxed(), Rc::clone(&seen))));
        match try_await!(down(200, || error().boxed(), Rc::clone(&seen))) {
            Err(e) if e.is::<LookupError>() => trace!("{}", show(&e)),
            other => drop(other?),
        }
        let task = create_task(down(200, || forever().boxed(), Rc::clone(&seen)));
        await!(sleep(secs(1)));
        task.cancel();
        await!(wait([&task]));
        let seen = seen.take();
        let in_order = seen == (1..=200).collect::<Vec<_>>();
        trace!("cancel seen by {} levels, in order: {in_order}", seen.len());
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
