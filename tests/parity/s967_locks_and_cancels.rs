//! Lock and semaphores: who is next when waiters are cancelled before, in and after the round of the release.

use crate::harness::{run, trace};
use coro_core::{BoundedSemaphore, prelude::*};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

type Log = Rc<RefCell<Vec<String>>>;

/// What lock and semaphores have in common: take it for so many rounds, hold it from outside, let that go.
trait Takes: 'static {
    fn hold(&self) -> Result<()>;
    fn let_go(&self);
    fn take(&self, inside: &dyn Fn() -> Result<()>) -> Result<()>;
    fn locked(&self) -> bool;
}

/// A lock whose guard, from outside, is kept by a task of its own until it is told to let go.
#[derive(Default)]
struct Kept {
    lock: Rc<Lock<()>>,
    guard: Cell<Option<LockGuard<'static, ()>>>,
}

impl Takes for Kept {
    fn hold(&self) -> Result<()> {
        let lock: &'static Lock<()> = Box::leak(Box::new(Rc::clone(&self.lock)));
        self.guard.set(Some(lock.lock().co_await()?));
        Ok(())
    }

    fn let_go(&self) {
        self.guard.set(None);
    }

    fn take(&self, inside: &dyn Fn() -> Result<()>) -> Result<()> {
        let _guard = self.lock.lock().co_await()?;
        inside()
    }

    fn locked(&self) -> bool {
        self.lock.locked()
    }
}

impl Takes for Semaphore {
    fn hold(&self) -> Result<()> {
        self.acquire().co_await().map(|permit| permit.forget())
    }

    fn let_go(&self) {
        self.release();
    }

    fn take(&self, inside: &dyn Fn() -> Result<()>) -> Result<()> {
        let _permit = self.acquire().co_await()?;
        inside()
    }

    fn locked(&self) -> bool {
        Semaphore::locked(self)
    }
}

impl Takes for BoundedSemaphore {
    fn hold(&self) -> Result<()> {
        self.acquire().co_await().map(|permit| permit.forget())
    }

    fn let_go(&self) {
        self.release().expect("it was taken");
    }

    fn take(&self, inside: &dyn Fn() -> Result<()>) -> Result<()> {
        let _permit = self.acquire().co_await()?;
        inside()
    }

    fn locked(&self) -> bool {
        BoundedSemaphore::locked(self)
    }
}

async_fn! {
    async fn takes(name: &'static str, lock: Rc<dyn Takes>, log: Log, inside: u32) {
        let taken = lock.take(&|| {
            log.borrow_mut().push(name.to_owned());
            rounds(inside).co_await()
        });
        match taken {
            Err(e) if e.is_cancelled() => {
                log.borrow_mut().push(format!("-{name}"));
                raise!(e);
            }
            other => other?,
        }
    }

    async fn rounds(n: u32) {
        for _ in 0..n {
            await!(sleep(secs(0)));
        }
    }

    async fn attempt(kind: &'static str, lock: Rc<dyn Takes>, holds: u32, order: &'static str) {
        let log = Log::default();
        for _ in 0..holds {
            lock.hold()?;
        }
        let inside = if holds == 1 { 1 } else { 3 };
        let start = |name| create_task(takes(name, Rc::clone(&lock), Rc::clone(&log), inside));
        let tasks = ["a", "b", "c"].map(start);
        await!(rounds(1));
        for step in order.chars() {
            match step {
                'r' => lock.let_go(),
                'n' => await!(rounds(1)),
                'l' => drop(start("late")),
                't' => log.borrow_mut().push(if lock.locked() { "locked" } else { "free" }.to_owned()),
                index => drop(index.to_digit(10).map(|index| tasks[index as usize].cancel())),
            }
        }
        await!(rounds(20));
        trace!("{kind} {order} {:?} {}", log.borrow(), lock.locked());
    }

    async fn main() {
        let orders = [
            "r", "0r", "0nr", "r0", "rn0", "r1", "rn1", "01r", "r01", "r0n1", "rl", "lr", "rt", "rnt", "r0l", "r0nl",
            "r012", "r2", "rlt0", "rn0n1n2",
        ];
        for order in orders {
            await!(attempt("lock", Rc::new(Kept::default()), 1, order));
        }
        for order in orders {
            await!(attempt("semaphore", Rc::new(Semaphore::new(1)), 1, order));
        }
        for order in ["r", "r0", "rl", "r01"] {
            await!(attempt("bounded", Rc::new(BoundedSemaphore::new(1)), 1, order));
        }
        // A semaphore of two, released twice at once.
        for order in ["rr", "r0r", "rr0", "rr01", "rnr0", "rrl"] {
            await!(attempt("two", Rc::new(Semaphore::new(2)), 2, order));
        }
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
