//! `notify(n)` with waiters that are cancelled before, with and after it; the lock is always taken back.

use crate::harness::{run, trace};
use coro_core::{Condition, prelude::*, wait};
use std::cell::RefCell;
use std::rc::Rc;

type Log = Rc<RefCell<Vec<String>>>;

async_fn! {
    async fn waiter(name: char, cond: Rc<Condition<()>>, log: Log) {
        async with &*cond as mut guard {
            let waited = try_await!(guard.wait());
            assert!(cond.locked());
            match waited {
                Err(e) if e.is_cancelled() => {
                    log.borrow_mut().push(format!("{name} cancelled"));
                    raise!(e);
                }
                other => other?,
            }
            log.borrow_mut().push(name.to_string());
        }
    }

    async fn rounds(n: u32) {
        for _ in 0..n {
            await!(sleep(secs(0)));
        }
    }

    async fn attempt(n: usize, cancels: &'static [usize], when: &'static str) {
        let cond = Rc::new(Condition::new(()));
        let log = Log::default();
        let tasks = ['a', 'b', 'c', 'd'].map(|n| create_task(waiter(n, Rc::clone(&cond), Rc::clone(&log))));
        let cancel = || cancels.iter().for_each(|i| { tasks[*i].cancel(); });
        await!(rounds(2));
        match when {
            "before" => cancel(),
            "a round before" => {
                cancel();
                await!(rounds(1));
            }
            _ => {}
        }
        async with &*cond as guard {
            guard.notify(n);
            match when {
                "with" => cancel(),
                "while locked" => {
                    await!(rounds(1));
                    cancel();
                    await!(rounds(1));
                }
                _ => {}
            }
        }
        match when {
            "after" => cancel(),
            "a round after" => {
                await!(rounds(1));
                cancel();
            }
            _ => {}
        }
        await!(rounds(12));
        let done = tasks.each_ref().map(|t| t.done());
        trace!("{n} {cancels:?} {when} {:?} {done:?} {}", log.borrow(), cond.locked());
        for task in &tasks {
            task.cancel();
        }
        await!(wait(&tasks));
    }

    async fn main() {
        let cases: [(usize, &'static [usize]); 7] =
            [(1, &[0]), (1, &[1]), (2, &[0]), (2, &[0, 1]), (2, &[1, 2]), (3, &[0, 2]), (4, &[0, 1, 2, 3])];
        for (n, cancels) in cases {
            for when in ["a round before", "before", "with", "while locked", "after", "a round after"] {
                await!(attempt(n, cancels, when));
            }
        }
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
