//! A consumer cancelled in its own loop body leaves the generator suspended at its yield.

use crate::harness::{run, trace};
use coro_core::{prelude::*, wait};
use std::cell::RefCell;
use std::rc::Rc;

async_fn! {
    async fn numbers(name: &'static str) yields u32 {
        for i in 0..10 {
            let resumed = try_yield!(i);
            if resumed.is_err() {
                trace!("{name} closed");
            }
            resumed?;
        }
    }

    async fn consumer(agen: Rc<RefCell<impl AsyncIterator<Item = u32>>>) {
        loop {
            let next = agen.borrow_mut().anext()?;
            if next.is_none() {
                return;
            }
            await!(sleep(secs(1)));
        }
    }

    /// What an `async for` goes over is closed when it is left: that is `aclosing`.
    async fn closing_consumer(name: &'static str) {
        async for _ in numbers(name) {
            await!(sleep(secs(1)));
        }
    }

    async fn main() {
        let agen = Rc::new(RefCell::new(numbers("plain")));
        let task = create_task(consumer(Rc::clone(&agen)));
        await!(sleep(millis(2_500)));
        task.cancel();
        await!(wait([&task]));
        trace!("next value {}", agen.borrow_mut().anext()?.unwrap_or_default());
        let task = create_task(closing_consumer("with aclosing"));
        await!(sleep(millis(2_500)));
        task.cancel();
        await!(wait([&task]));
        trace!("end of main {}", task.cancelled());
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
