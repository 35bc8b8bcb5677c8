//! What blocks, done where std would block: the task waits in place, a thread does the work.
//!
//! Floor: above the library. Files, names and the standard streams come through here, and sockets ask [`place`].
//!
//! 1. Off any loop the call is simply made. In a task a thread makes it. Where a loop runs and nothing can suspend,
//!    in a callback or a stackless poll, it is refused before it has begun.
//! 2. Nothing that is borrowed goes to a thread.
//! 3. A job that has begun goes on to its end. What it gives to one who has left is dropped where the last of both
//!    goes.
//! 4. What several use, a file or a stream, is [`Shared`]: one at a time, in the order of coming. The [`Turn`] goes to the
//!    thread with the job, so that who comes next waits for a job whose waiter was cancelled.

mod bytes;
mod shared;

use std::future::Future as StdFuture;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::task::{Context as PollContext, Poll, Waker};

use parking_lot::Mutex;

pub(crate) use bytes::{
    CHUNK, Failure, Source, Unread, into_text, more, read, read_to_end, read_to_string, read_vectored,
    write_out,
};
pub(crate) use shared::{Shared, Turn};

use crate::coroutine::{Awaitable, suspend};
use crate::error::{Error, Result, RuntimeError};
use crate::events::{LoopCore, running_core};
use crate::fiber::{Awaited, has_driver};
use crate::thread;

/// Where a call is made that may block.
pub(crate) enum Place {
    /// No loop runs on this thread: it blocks, as with std.
    Thread,
    /// In a task of this loop, or in a coroutine driven by hand on its thread.
    Task(Rc<LoopCore>),
}

/// Where this call is made.
///
/// # Errors
/// [`RuntimeError`] where blocking would hold up a loop, and nothing can suspend.
pub(crate) fn place() -> Result<Place> {
    let Ok(core) = running_core() else { return Ok(Place::Thread) };
    if !has_driver() {
        suspend(Awaited::Yield)?; // is refused, and says why
    }
    Ok(Place::Task(core))
}

/// Runs `job` in a thread of the loop's executor while the task waits; off any loop, here. The end of `run` waits for
/// the job.
///
/// # Errors
/// Those of [`place`]; those of `to_thread`; [`Cancelled`](crate::Cancelled), and then what `job` gives is dropped.
pub(crate) fn in_thread<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    match place()? {
        Place::Thread => Ok(job()),
        Place::Task(core) => {
            let (giver, taker) = handover();
            thread::start(&core, move || giver.give(job())).co_await()?;
            taker.take().unwrap_or_else(|| Err(not_run()))
        }
    }
}

fn not_run() -> Error {
    RuntimeError::new("the job was dropped before its end").into()
}

type Job = Box<dyn FnOnce() + Send>;

/// A thread that lives as long as the process, for calls that may never return. Nobody waits for it at the end.
pub(crate) struct Worker {
    name: &'static str,
    jobs: Mutex<Option<Sender<Job>>>,
}

impl Worker {
    pub(crate) const fn new(name: &'static str) -> Self {
        Self { name, jobs: Mutex::new(None) }
    }

    /// As [`in_thread`], in this thread; only as long as the task waits a virtual clock stands still, and a loop is
    /// not ended.
    ///
    /// # Errors
    /// As [`in_thread`].
    pub(crate) fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let core = match place()? {
            Place::Thread => return Ok(job()),
            Place::Task(core) => core,
        };
        let (giver, taker) = handover();
        self.send(Box::new(move || giver.give(job())))?;
        let _counted = Counted::new(core);
        taker.co_await()?
    }

    fn send(&self, job: Job) -> Result<()> {
        let mut sender = self.jobs.lock();
        let job = match &*sender {
            Some(jobs) => match jobs.send(job) {
                Ok(()) => return Ok(()),
                Err(unsent) => unsent.0,
            },
            None => job,
        };
        let (jobs, queue) = channel::<Job>();
        let spawned = std::thread::Builder::new().name(self.name.to_owned()).spawn(move || {
            for job in queue {
                // Who waits for a job that panicked is told that it did not end.
                let _ = catch_unwind(AssertUnwindSafe(job));
            }
        });
        if let Err(error) = spawned {
            drop(sender); // what goes with the job may wake somebody
            return Err(thread::no_thread(error));
        }
        // The thread has just begun: it takes the first job.
        let _ = jobs.send(job);
        *sender = Some(jobs);
        Ok(())
    }
}

/// Holds a virtual clock until it is dropped. It is no job of the executor, whose end need not wait for it.
struct Counted(Rc<LoopCore>);

impl Counted {
    fn new(core: Rc<LoopCore>) -> Self {
        core.held.set(core.held.get() + 1);
        Self(core)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.held.set(self.0.held.get() - 1);
    }
}

/// One value on its way between two, each of whom may leave.
enum Handover<T> {
    Waiting(Option<Waker>),
    Given(T),
    /// One of them has left.
    Alone,
}

struct Giver<T>(Arc<Mutex<Handover<T>>>);

struct Taker<T>(Arc<Mutex<Handover<T>>>);

fn handover<T>() -> (Giver<T>, Taker<T>) {
    let state = Arc::new(Mutex::new(Handover::Waiting(None)));
    (Giver(Arc::clone(&state)), Taker(state))
}

impl<T> Giver<T> {
    fn give(&self, value: T) {
        let mut state = self.0.lock();
        match std::mem::replace(&mut *state, Handover::Alone) {
            Handover::Waiting(waker) => {
                *state = Handover::Given(value);
                drop(state);
                waker.inspect(Waker::wake_by_ref);
            }
            _ => {
                drop(state);
                drop(value);
            }
        }
    }
}

impl<T> Drop for Giver<T> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        if let Handover::Waiting(waker) = &mut *state {
            let waker = waker.take();
            *state = Handover::Alone;
            drop(state);
            waker.inspect(Waker::wake_by_ref);
        }
    }
}

impl<T> Taker<T> {
    /// What was given, or that nothing will be; `None` as long as that is open.
    fn take(&self) -> Option<Result<T>> {
        let mut state = self.0.lock();
        if let Handover::Waiting(_) = *state {
            return None;
        }
        match std::mem::replace(&mut *state, Handover::Alone) {
            Handover::Given(value) => Some(Ok(value)),
            _ => Some(Err(not_run())),
        }
    }
}

impl<T> StdFuture for Taker<T> {
    type Output = Result<T>;

    fn poll(self: Pin<&mut Self>, context: &mut PollContext<'_>) -> Poll<Result<T>> {
        if let Handover::Waiting(waker) = &mut *self.0.lock() {
            *waker = Some(context.waker().clone());
            return Poll::Pending;
        }
        self.take().map_or(Poll::Pending, Poll::Ready)
    }
}

impl<T> Drop for Taker<T> {
    fn drop(&mut self) {
        let left = std::mem::replace(&mut *self.0.lock(), Handover::Alone);
        drop(left);
    }
}
