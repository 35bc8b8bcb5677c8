//! A condition: more is notified than wait, errors, waiting under a limit, what it tells of itself.

use crate::harness::{args, run, show, trace};
use coro_core::{Condition, RuntimeError, prelude::*, wait};
use std::fmt::Debug;
use std::rc::Rc;

/// `[locked]>` of `<Condition [locked]>`.
fn state<T>(cond: &Condition<T>) -> String
where
    Condition<T>: Debug,
{
    format!("{cond:?}").replace("<Condition ", "")
}

async_fn! {
    async fn waiter(name: &'static str, cond: Rc<Condition<Vec<u32>>>) {
        async with &*cond as mut guard {
            match try_await!(guard.wait()) {
                Err(e) if e.is_cancelled() => {
                    trace!("{name} cancelled {} {}", args(&e), state(&cond));
                    raise!(e);
                }
                other => other?,
            }
            trace!("{name} goes on {}", state(&cond));
        }
    }

    async fn limited(name: &'static str, cond: Rc<Condition<Vec<u32>>>) {
        async with &*cond as mut guard {
            let waited = timeout(secs(1), || {
                guard.wait_for(|ready| !ready.is_empty()).co_await()?;
                trace!("{name} ready");
                Ok(())
            });
            match waited {
                Err(e) if e.is_timeout() => trace!("{name} timed out; locked {}", cond.locked()),
                other => other?,
            }
        }
    }

    async fn locker(cond: Rc<Condition<Vec<u32>>>) {
        async with &*cond {
            trace!("locker");
            await!(sleep(secs(0)));
            trace!("locker leaves {}", state(&cond));
        }
    }

    async fn main() {
        let cond = Rc::new(Condition::new(Vec::new()));
        trace!("{}", state(&cond));
        match cond.notify(1) {
            Err(e) if e.is::<RuntimeError>() => trace!("{}", show(&e)),
            other => other?,
        }
        let start = |name| (name, create_task(waiter(name, Rc::clone(&cond))));
        let mut tasks = Vec::from(["a", "b", "c", "d", "e"].map(start));
        await!(sleep(secs(1)));
        trace!("{}", state(&cond));
        async with &*cond as guard {
            guard.notify(2);
            guard.notify(1);
            trace!("{}", state(&cond));
        }
        tasks[3].1.cancel_with("first");
        await!(sleep(secs(0)));
        trace!("{}", state(&cond));
        await!(sleep(secs(1)));
        let done: Vec<_> = tasks.iter().filter(|(_, t)| t.done()).map(|(n, _)| *n).collect();
        trace!("done: {done:?} {}", state(&cond));
        tasks.push(start("f"));
        await!(sleep(secs(0)));
        // Cancelled twice while it cannot get the lock back: the last one is raised.
        async with &*cond {
            tasks[5].1.cancel_with("one");
            await!(sleep(secs(0)));
            tasks[5].1.cancel_with("two");
            await!(sleep(secs(0)));
            trace!("{} {}", state(&cond), tasks[5].1.cancelling());
        }
        await!(wait(tasks.iter().map(|(_, task)| task)));
        trace!("{}", state(&cond));
        // A waiter whose limit strikes in the round in which it is notified hands the notification on.
        let mut tasks = Vec::from(["x", "y"].map(|n| create_task(limited(n, Rc::clone(&cond)))));
        await!(sleep(secs(0)));
        await!(sleep(secs(0)));
        tasks.push(start("z").1);
        await!(sleep(secs(1)));
        trace!("{}", state(&cond));
        async with &*cond as mut ready {
            ready.push(1);
            ready.notify_all();
        }
        await!(wait(&tasks));
        trace!("{}", state(&cond));
        // The lock is fair: who came while one waited gets it before who was notified later.
        let mut tasks = Vec::from(["p", "q"].map(|n| start(n).1));
        await!(sleep(secs(0)));
        async with &*cond as guard {
            tasks.push(create_task(locker(Rc::clone(&cond))));
            await!(sleep(secs(0)));
            guard.notify_all();
            await!(sleep(secs(0)));
            trace!("{}", state(&cond));
        }
        trace!("left {}", state(&cond));
        await!(wait(&tasks));
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
