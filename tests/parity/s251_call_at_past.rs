//! A time in the past means the next round; nested zero delays do not starve others.

use crate::harness::{run, trace};
use coro_core::{EventLoop, prelude::*};
use std::cell::Cell;
use std::rc::Rc;

fn again(event_loop: &EventLoop, count: &Rc<Cell<u32>>) {
    count.set(count.get() + 1);
    if count.get() < 5 {
        call_again(event_loop, count);
    }
    trace!("again {}", count.get());
}

fn call_again(event_loop: &EventLoop, count: &Rc<Cell<u32>>) {
    let (inner, count) = (event_loop.clone(), Rc::clone(count));
    event_loop.call_later(secs(0), move || again(&inner, &count));
}

async_fn! {
    async fn main() {
        let event_loop = get_running_loop()?;
        await!(sleep(secs(5)));
        event_loop.call_at(event_loop.time() - secs(3), || trace!("past"));
        event_loop.call_soon(|| trace!("soon"));
        await!(sleep(secs(0)));
        trace!("one round");
        let count = Rc::new(Cell::new(0));
        call_again(&event_loop, &count);
        for _ in 0..3 {
            await!(sleep(secs(0)));
        }
        trace!("three rounds; count {}", count.get());
        await!(sleep(secs(1)));
        trace!("count {}", count.get());
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
