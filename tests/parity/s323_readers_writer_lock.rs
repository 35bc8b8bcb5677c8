//! A readers-writer lock built on a Condition: who goes when.

use crate::harness::{run, trace};
use coro_core::{Condition, prelude::*};
use std::rc::Rc;

#[derive(Default)]
struct State {
    readers: u32,
    writing: bool,
}

type RwLock = Condition<State>;

async_fn! {
    async fn read(lock: Rc<RwLock>, name: &'static str, time: u64) {
        async with &*lock as mut state {
            await!(state.wait_for(|state| !state.writing));
            state.readers += 1;
        }
        trace!("{name} reads");
        await!(sleep(secs(time)));
        async with &*lock as mut state {
            state.readers -= 1;
            state.notify_all();
        }
    }

    async fn write(lock: Rc<RwLock>, name: &'static str, time: u64) {
        async with &*lock as mut state {
            await!(state.wait_for(|state| !state.writing && state.readers == 0));
            state.writing = true;
        }
        trace!("{name} writes");
        await!(sleep(secs(time)));
        async with &*lock as mut state {
            state.writing = false;
            state.notify_all();
        }
    }

    async fn main() {
        let lock = Rc::new(RwLock::default());
        let again = || Rc::clone(&lock);
        await!(gather((
            read(again(), "r1", 2),
            write(again(), "w1", 1),
            read(again(), "r2", 1),
            write(again(), "w2", 1),
            read(again(), "r3", 3),
        )));
        trace!("end");
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
