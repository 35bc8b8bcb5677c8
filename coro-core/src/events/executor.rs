//! [`Executor`]: who runs blocking jobs for a loop.
//!
//! Floor 1. `thread/mod.rs` hands the jobs over.

use super::EventLoop;

/// Runs blocking jobs beside a loop; `concurrent.futures.Executor`.
///
/// A closure that takes a job is one. A job must run on another thread: one that runs inside of
/// [`execute`](Self::execute) blocks the loop.
///
/// ```
/// use coro_core::prelude::*;
/// struct OneEach;
/// impl coro_core::Executor for OneEach {
///     fn execute(&self, job: Box<dyn FnOnce() + Send>) {
///         std::thread::Builder::new().name("cook".to_owned()).spawn(job).unwrap();
///     }
/// }
/// coro_core::run(coroutine(|| {
///     get_running_loop()?.set_default_executor(OneEach);
///     let name = to_thread(|| std::thread::current().name().map(str::to_owned)).co_await()?;
///     assert_eq!(name.as_deref(), Some("cook"));
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
pub trait Executor {
    /// Runs `job` soon, on some other thread. A job that is dropped instead fails with a
    /// [`RuntimeError`](crate::RuntimeError).
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// use coro_core::Executor;
    /// let (said, heard) = std::sync::mpsc::channel();
    /// let threads = |job: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(job));
    /// threads.execute(Box::new(move || said.send("eggs").unwrap()));
    /// assert_eq!(heard.recv().unwrap(), "eggs");
    /// ```
    fn execute(&self, job: Box<dyn FnOnce() + Send>);
}

impl<F: Fn(Box<dyn FnOnce() + Send>)> Executor for F {
    fn execute(&self, job: Box<dyn FnOnce() + Send>) {
        self(job);
    }
}

impl EventLoop {
    /// Sets who runs the jobs of [`run_in_executor`](Self::run_in_executor) and [`to_thread`](crate::to_thread) from
    /// now on; `loop.set_default_executor(executor)`. It is dropped when the loop shuts its executor down or is
    /// closed.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// use std::sync::mpsc::{Sender, channel};
    /// let (jobs, queue) = channel::<Box<dyn FnOnce() + Send>>();
    /// let worker = std::thread::spawn(move || queue.into_iter().map(|job| job()).count());
    /// coro_core::run(coroutine(move || {
    ///     get_running_loop()?.set_default_executor(move |job| jobs.send(job).unwrap());
    ///     let squares = gather((1..=3).map(|n| to_thread(move || n * n))).co_await()?;
    ///     assert_eq!(squares, [1, 4, 9]); // one after the other, all on the one thread
    ///     Ok(())
    /// }))?;
    /// assert_eq!(worker.join().unwrap(), 3); // `run` has dropped the sender
    /// # Ok::<(), Error>(())
    /// ```
    pub fn set_default_executor(&self, executor: impl Executor + 'static) {
        let old = self.core.executor.replace(Some(std::rc::Rc::new(executor)));
        drop(old);
    }
}
