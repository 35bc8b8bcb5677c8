//! Forty tasks on one lock and one semaphore, cancelled by a random generator: who gets through.

use crate::harness::{run, trace};
use coro_core::{prelude::*, wait};
use std::cell::RefCell;
use std::rc::Rc;

#[derive(Clone, Default)]
struct Log(Rc<RefCell<Vec<String>>>);

impl Log {
    fn append(&self, what: char, n: usize) {
        self.0.borrow_mut().push(format!("{what}{n}"));
    }
}

fn below(n: u64, state: &mut u64) -> u64 {
    *state = (*state * 1_103_515_245 + 12_345) % (1 << 31);
    (*state >> 8) % n
}

async_fn! {
    async fn goes_through(n: usize, lock: &Lock, sem: &Semaphore, log: &Log) {
        async with sem {
            log.append('s', n);
            async with lock {
                log.append('l', n);
                await!(sleep(millis(250)));
            }
        }
        log.append('d', n);
    }

    async fn actor(n: usize, lock: Rc<Lock>, sem: Rc<Semaphore>, log: Log) {
        match try_await!(goes_through(n, &lock, &sem, &log)) {
            Err(e) if e.is_cancelled() => {
                log.append('c', n);
                raise!(e)
            }
            other => other?,
        }
    }

    async fn main() {
        let (lock, sem, log) = (Rc::new(Lock::new(())), Rc::new(Semaphore::new(4)), Log::default());
        let start = |n| create_task(actor(n, Rc::clone(&lock), Rc::clone(&sem), log.clone()));
        let tasks: Vec<Task<()>> = (0..40).map(start).collect();
        let mut state = 11;
        for _ in 0..60 {
            let pause = if below(2, &mut state) == 0 { 0 } else { 125 };
            await!(sleep(millis(pause)));
            let chosen = usize::try_from(below(40, &mut state))?;
            tasks[chosen].cancel();
        }
        await!(wait(&tasks));
        for line in log.0.borrow().chunks(20) {
            trace!("{}", line.join(" "));
        }
        let cancelled: Vec<usize> = (0..40).filter(|i| tasks[*i].cancelled()).collect();
        trace!("cancelled {cancelled:?}");
        trace!("free: {} {}", !lock.locked(), !sem.locked());
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
