//! The threads that run jobs where no executor is set: made on demand, used again, gone when idle.
//!
//! 1. A job that waits has an idle thread, unless there are as many threads as may be, or as can be made.
//! 2. A job waits only where there is a thread: without any, it is given back with what the system says.
//! 3. A thread ends under the lock by which jobs come, and only if none waits.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};

pub(super) type Job = Box<dyn FnOnce() + Send>;

/// The pool of this process.
static POOL: Pool = Pool::new(500, Duration::from_secs(5));

/// Has `job` run in a thread soon.
///
/// # Errors
/// The job, if there is no thread and none can be made; and what the system says.
pub(super) fn execute(job: Job) -> Result<(), (Job, io::Error)> {
    POOL.execute(job)
}

struct Pool {
    state: Mutex<State>,
    /// A job has come.
    came: Condvar,
    most: usize,
    /// How long a thread stays without a job.
    patience: Duration,
}

struct State {
    jobs: VecDeque<Job>,
    threads: usize,
    /// Those of the threads that run no job. One that was just made is among them.
    idle: usize,
    /// How many threads there have been, for their names.
    made: u64,
}

impl Pool {
    const fn new(most: usize, patience: Duration) -> Self {
        let state = State { jobs: VecDeque::new(), threads: 0, idle: 0, made: 0 };
        Self { state: Mutex::new(state), came: Condvar::new(), most, patience }
    }

    fn execute(&'static self, job: Job) -> Result<(), (Job, io::Error)> {
        let mut state = self.state.lock();
        let waiting = state.jobs.len() + 1;
        if let Err(error) = self.make_room(&mut state, waiting)
            && state.threads == 0
        {
            drop(state);
            return Err((job, error));
        }
        state.jobs.push_back(job);
        drop(state);
        self.came.notify_one();
        Ok(())
    }

    /// Makes a thread if fewer are idle than jobs are waiting, and one more may be.
    fn make_room(&'static self, state: &mut State, waiting: usize) -> io::Result<()> {
        if waiting <= state.idle || state.threads >= self.most {
            return Ok(());
        }
        let name = format!("coro-job-{}", state.made + 1);
        thread::Builder::new().name(name).spawn(move || self.work())?;
        state.made += 1;
        state.threads += 1;
        state.idle += 1;
        Ok(())
    }

    /// What a thread does.
    fn work(&'static self) {
        let mut state = self.state.lock();
        loop {
            while let Some(job) = state.jobs.pop_front() {
                state.idle -= 1;
                // Those that wait still may have come when no thread could be made. If none can be made now, this one
                // will come back.
                let waiting = state.jobs.len();
                let _ = self.make_room(&mut state, waiting);
                MutexGuard::unlocked(&mut state, || run(job));
                state.idle += 1;
            }
            let waited = self.came.wait_for(&mut state, self.patience);
            if waited.timed_out() && state.jobs.is_empty() {
                state.idle -= 1;
                state.threads -= 1;
                return;
            }
        }
    }
}

/// A job tells of its panic itself; one that comes here is of a destructor.
fn run(job: Job) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(job)) {
        std::mem::forget(payload); // it may panic, too
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    fn pool(most: usize, patience: Duration) -> &'static Pool {
        Box::leak(Box::new(Pool::new(most, patience)))
    }

    fn execute(pool: &'static Pool, job: impl FnOnce() + Send + 'static) {
        pool.execute(Box::new(job)).map_err(|(_, error)| error).unwrap();
    }

    #[test]
    fn each_job_has_a_thread_up_to_the_limit() {
        let pool = pool(3, Duration::from_secs(3600));
        let (names, name) = channel();
        let (releases, gates): (Vec<_>, Vec<_>) = (0..5).map(|_| channel::<()>()).unzip();
        for gate in gates {
            let names = names.clone();
            execute(pool, move || {
                names.send(thread::current().name().map(str::to_owned)).unwrap();
                let _ = gate.recv();
            });
        }
        let mut begun: Vec<_> = name.iter().take(3).flatten().collect();
        begun.sort();
        assert_eq!(begun, ["coro-job-1", "coro-job-2", "coro-job-3"]);
        assert_eq!(pool.state.lock().jobs.len(), 2);
        drop(releases);
        assert_eq!(name.iter().take(2).count(), 2);
        assert_eq!(pool.state.lock().threads, 3);
    }

    #[test]
    fn an_idle_thread_takes_the_next_job_and_ends_if_none_comes() {
        let kept = pool(3, Duration::from_secs(3600));
        for _ in 0..5 {
            let (done, waited) = channel();
            execute(kept, move || done.send(()).unwrap());
            waited.recv().unwrap();
            while kept.state.lock().idle == 0 {
                thread::yield_now();
            }
        }
        assert_eq!(kept.state.lock().made, 1);
        let hasty = pool(3, Duration::ZERO);
        for made in 1..=2 {
            execute(hasty, || ());
            while hasty.state.lock().threads > 0 {
                thread::yield_now();
            }
            let state = hasty.state.lock();
            assert_eq!((state.made, state.idle, state.jobs.len()), (made, 0, 0));
        }
    }

    #[test]
    fn a_thread_outlives_a_job_that_panics() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("meant: by what a panic said");
            }
        }
        let pool = pool(1, Duration::from_secs(3600));
        execute(pool, || std::panic::resume_unwind(Box::new(Bomb)));
        let (done, waited) = channel();
        execute(pool, move || done.send(()).unwrap());
        waited.recv().unwrap();
        assert_eq!(pool.state.lock().made, 1);
    }
}
