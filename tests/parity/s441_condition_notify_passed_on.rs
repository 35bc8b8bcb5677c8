//! A notified waiter that is cancelled before it runs passes its notification on.

use crate::harness::{run, trace};
use coro_core::{Condition, prelude::*};
use std::rc::Rc;

async_fn! {
    async fn waiter(name: char, condition: Rc<Condition>) {
        async with &*condition as mut guard {
            match try_await!(guard.wait()) {
                Err(e) if e.is_cancelled() => {
                    trace!("{name} cancelled; holds the lock: {}", condition.locked());
                    raise!(e);
                }
                other => other?,
            }
            trace!("{name} was notified");
        }
    }

    async fn main() {
        let condition = Rc::new(Condition::new(()));
        let tasks = ['a', 'b', 'c', 'd'].map(|n| (n, create_task(waiter(n, Rc::clone(&condition)))));
        let done = || tasks.iter().filter(|(_, t)| t.done()).map(|(n, _)| n.to_string()).collect::<Vec<_>>();
        await!(sleep(secs(1)));
        async with &*condition as guard {
            guard.notify(2);
            tasks[0].1.cancel();
        }
        await!(sleep(secs(1)));
        trace!("done: {:?}", done());
        async with &*condition as guard {
            guard.notify(1);
        }
        await!(sleep(secs(1)));
        trace!("done: {:?}", done());
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
