//! `run` and `Runner`: a loop made, a main coroutine run to its end, everything that is left ended, the loop closed.
//!
//! Floor 7. The main coroutine may borrow from the one who calls `run`, so `run` does not return or unwind before it has
//! ended, whatever happens to the loop.
#![allow(unsafe_code)] // keeps the promise of `spawn_borrowed`

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::time::Duration;

use crate::context::Context;
use crate::coroutine::Awaitable;
use crate::error::{KeyboardInterrupt, Result, RuntimeError};
use crate::event_loop::{Deadlock, LoopBuilder, StopLoop, check_may_run, run_loop, unpanic};
use crate::events::{EventLoop, ExceptionContext, LoopCore, Runnable, running_core};
use crate::fiber::Open;
use crate::report;
use crate::signal;
use crate::task::{AnyTask, Borrowers, Task, TaskBuilder, current_task, spawn_borrowed, tasks_of};
use crate::thread::warn_of_jobs;

/// How long `run` waits for jobs in threads at its end, as CPython does.
const THREAD_JOIN_TIMEOUT: Duration = Duration::from_secs(300);

/// How many rounds follow the end of the last task: two for each of two coroutines that have nothing to do.
const LAST_ROUNDS: u32 = 4;

/// How often a deadlocked main task is told so before the process is given up.
const DEADLOCK_ATTEMPTS: usize = 64;

/// Runs `main` on a loop of its own, and gives its result; `asyncio.run()`.
///
/// What `main` leaves behind is cancelled and waited for. `main` may borrow from the caller.
///
/// Called from the main thread of a program, it handles Ctrl-C: the first cancels `main`, and `run` raises
/// [`KeyboardInterrupt`] when it has ended; a second one does what it did before `run`.
///
/// # Errors
/// What `main` raises; [`SystemExit`](crate::SystemExit) and [`KeyboardInterrupt`] of any task, at once;
/// [`KeyboardInterrupt`] after a Ctrl-C; [`Deadlock`] if nothing could ever wake the loop again; [`RuntimeError`] if a
/// loop is running on this thread already.
///
/// # Panics
/// With the panic of `main`.
///
/// ```
/// use coro_core::prelude::*;
///
/// let name = String::from("world"); // borrowed by main
/// let length = coro_core::run(coroutine(|| {
///     sleep(millis(1)).co_await()?;
///     Ok(name.len())
/// }))?;
/// assert_eq!(length, 5);
/// # Ok::<(), Error>(())
/// ```
pub fn run<A: Awaitable>(main: A) -> Result<A::Output> {
    RunBuilder::new().run(main)
}

/// As [`run`], also within a loop: there the present task awaits `main`, and the other tasks go on meanwhile. For
/// functions that wait and may be called from both; what `nest_asyncio` does in Python.
///
/// Within a loop, the variables that `main` sets stay in a context of its own, as with `run`; tasks that it leaves behind
/// go on.
///
/// # Errors
/// What `main` raises. Outside of a loop as [`run`]; in a callback of a loop [`RuntimeError`], since a callback cannot
/// wait.
///
/// # Cancellation
/// Within a loop `main` is a part of the task: a cancellation is raised at the await that it stands at.
///
/// # Panics
/// With the panic of `main`.
///
/// ```
/// use coro_core::prelude::*;
/// /// Knows nothing of who calls it.
/// fn boil() -> Result<&'static str> {
///     coro_core::run_nested(coroutine(|| { sleep(millis(1)).co_await()?; Ok("egg") }))
/// }
/// assert_eq!(boil()?, "egg");
/// assert_eq!(coro_core::run(coroutine(boil))?, "egg");
/// # Ok::<(), Error>(())
/// ```
pub fn run_nested<A: Awaitable>(main: A) -> Result<A::Output> {
    if running_core().is_err() {
        return run(main);
    }
    if current_task().is_none() {
        main.__discard();
        return Err(RuntimeError::new("run_nested() waits, and a callback cannot: only tasks can").into());
    }
    Context::copied().run(|| main.co_await())
}

/// Says how a program is to be run.
///
/// ```
/// use coro_core::prelude::*;
/// coro_core::RunBuilder::new().virtual_clock().run(sleep(secs(3600)))?; // takes no time
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct RunBuilder {
    builder: LoopBuilder,
    handle_interrupts: bool,
}

impl Default for RunBuilder {
    fn default() -> Self {
        Self { builder: LoopBuilder::new(), handle_interrupts: true }
    }
}

impl RunBuilder {
    /// As [`run`] does it.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// assert_eq!(coro_core::RunBuilder::new().run(coroutine(|| Ok(6)))?, 6);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// The loop to run on; `asyncio.run(main, loop_factory=…)`. It replaces what was said of the loop before.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// use coro_core::{LoopBuilder, RunBuilder};
    /// let sunday = LoopBuilder::new().virtual_clock_from(secs(60));
    /// let time = coroutine(|| Ok(get_running_loop()?.time()));
    /// assert_eq!(RunBuilder::new().event_loop(sunday).run(time)?, secs(60));
    /// # Ok::<(), Error>(())
    /// ```
    #[must_use]
    pub fn event_loop(mut self, builder: LoopBuilder) -> Self {
        self.builder = builder;
        self
    }

    /// As [`LoopBuilder::virtual_clock`].
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// coro_core::RunBuilder::new().virtual_clock().run(sleep(secs(3600)))?; // takes no time
    /// # Ok::<(), Error>(())
    /// ```
    #[must_use]
    pub fn virtual_clock(mut self) -> Self {
        self.builder = self.builder.virtual_clock();
        self
    }

    /// As [`LoopBuilder::debug`]; `asyncio.run(main, debug=True)`.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// let debug = coroutine(|| Ok(get_running_loop()?.get_debug()));
    /// assert!(coro_core::RunBuilder::new().debug(true).run(debug)?);
    /// # Ok::<(), Error>(())
    /// ```
    #[must_use]
    pub fn debug(mut self, on: bool) -> Self {
        self.builder = self.builder.debug(on);
        self
    }

    /// As [`LoopBuilder::stack_size`].
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// let deep = coroutine(|| Ok(std::hint::black_box([0_u8; 300 * 1024]).len()));
    /// assert_eq!(coro_core::RunBuilder::new().stack_size(1 << 20).run(deep)?, 300 * 1024);
    /// # Ok::<(), Error>(())
    /// ```
    #[must_use]
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.builder = self.builder.stack_size(bytes);
        self
    }

    /// As [`LoopBuilder::seed`].
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// // A test that tries orders in which the tasks might come:
    /// for seed in 0..10 {
    ///     let main = coroutine(|| gather((1..=3).map(|n| coroutine(move || Ok(n)))).co_await());
    ///     assert_eq!(coro_core::RunBuilder::new().seed(seed).run(main)?, [1, 2, 3]);
    /// }
    /// # Ok::<(), Error>(())
    /// ```
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.builder = self.builder.seed(seed);
        self
    }

    /// As [`LoopBuilder::timer_slack`].
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// coro_core::RunBuilder::new().timer_slack(millis(1)).run(coroutine(|| {
    ///     assert_eq!(get_running_loop()?.timer_slack(), millis(1));
    ///     gather((0..100).map(|n| sleep(Duration::from_micros(n)))).co_await().map(drop) // come up together
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    #[must_use]
    pub fn timer_slack(mut self, slack: Duration) -> Self {
        self.builder = self.builder.timer_slack(slack);
        self
    }

    /// Whether Ctrl-C cancels `main`; only where the main thread of the program runs it.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// // A Ctrl-C does what it does without this library: it ends the process, say.
    /// coro_core::RunBuilder::new().handle_interrupts(false).run(sleep(millis(1)))?;
    /// # Ok::<(), Error>(())
    /// ```
    #[must_use]
    pub fn handle_interrupts(mut self, on: bool) -> Self {
        self.handle_interrupts = on;
        self
    }

    /// Runs `main` as [`run`] does.
    ///
    /// # Errors
    /// As [`run`]; [`StackError`](crate::stack::StackError) for a stack size that cannot be.
    ///
    /// # Panics
    /// As [`run`].
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// let name = String::from("world"); // borrowed by main
    /// let main = coroutine(|| { sleep(secs(60)).co_await()?; Ok(name.len()) });
    /// assert_eq!(coro_core::RunBuilder::new().virtual_clock().run(main)?, 5);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn run<A: Awaitable>(self, main: A) -> Result<A::Output> {
        let mut runner = Runner::with(self);
        // A panic of main is an exception like others: what main leaves behind is ended in good order first.
        let result = catch_unwind(AssertUnwindSafe(|| runner.run_main("run()", None, true, main)));
        let closed = runner.close();
        let result = result.unwrap_or_else(|payload| resume_unwind(payload));
        match closed {
            Err(error) if error.breaks_out() => Err(error),
            closed => result.and_then(|value| closed.map(|()| value)),
        }
    }
}

/// Runs several main coroutines on one loop, in one context; `asyncio.Runner`.
///
/// [`close`](Self::close) ends what is left and waits for it. A runner that is only dropped closes its loop by
/// force.
///
/// ```
/// use coro_core::prelude::*;
/// let mut runner = coro_core::Runner::new();
/// let first = runner.run(coroutine(get_running_loop))?;
/// let second = runner.run(coroutine(get_running_loop))?;
/// assert!(first.same(&second));
/// runner.close()?;
/// assert!(first.is_closed());
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug)]
pub struct Runner {
    builder: RunBuilder,
    state: State,
}

#[derive(Debug)]
enum State {
    Created,
    Ready { event_loop: EventLoop, context: Context },
    Closed,
}

impl Default for Runner {
    fn default() -> Self {
        Self::new()
    }
}

impl Runner {
    /// A runner; its loop is made when it is needed first.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// let mut runner = coro_core::Runner::new();
    /// assert_eq!(runner.run(coroutine(|| Ok(6)))?, 6);
    /// runner.close()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn new() -> Self {
        Self::with(RunBuilder::new())
    }

    /// A runner whose loop is made as `builder` says.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// use coro_core::{RunBuilder, Runner};
    /// let mut runner = Runner::with(RunBuilder::new().virtual_clock());
    /// runner.run(sleep(secs(3600)))?; // takes no time
    /// runner.close()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn with(builder: RunBuilder) -> Self {
        Self { builder, state: State::Created }
    }

    fn ready(&mut self) -> Result<(EventLoop, Context)> {
        if let State::Created = self.state {
            let event_loop = self.builder.builder.build()?;
            self.state = State::Ready { event_loop, context: Context::copied() };
        }
        match &self.state {
            State::Ready { event_loop, context } => Ok((event_loop.clone(), context.clone())),
            _ => Err(RuntimeError::new("Runner is closed").into()),
        }
    }

    /// Its loop; it is made by the first call, if no [`run`](Self::run) came before.
    ///
    /// # Errors
    /// [`RuntimeError`] "Runner is closed"; what making the loop raises.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// let mut runner = coro_core::Runner::new();
    /// let event_loop = runner.get_loop()?;
    /// let task = event_loop.create_task(coroutine(|| Ok(6)));
    /// assert_eq!(runner.run(task)?, 6);
    /// runner.close()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn get_loop(&mut self) -> Result<EventLoop> {
        self.ready().map(|(event_loop, _)| event_loop)
    }

    /// Runs `main` to its end, in the runner's context. Other tasks stay, and go on in the next run.
    ///
    /// # Errors
    /// As [`run`]; [`RuntimeError`] "Runner is closed". Where another task raises [`SystemExit`](crate::SystemExit),
    /// `main` is cancelled and finished first.
    ///
    /// # Panics
    /// With the panic of `main`.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// static EGGS: coro_core::ContextVar<u32> = coro_core::ContextVar::new("eggs");
    /// let mut runner = coro_core::Runner::new();
    /// runner.run(coroutine(|| { EGGS.set(6); Ok(()) }))?;
    /// assert_eq!(runner.run(coroutine(|| EGGS.get()))?, 6); // the same context
    /// runner.close()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn run<A: Awaitable>(&mut self, main: A) -> Result<A::Output> {
        self.run_main("Runner.run()", None, false, main)
    }

    /// Runs `main` to its end, in `context`; `runner.run(main, context=context)`.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    ///
    /// # Panics
    /// With the panic of `main`.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// static EGGS: coro_core::ContextVar<u32> = coro_core::ContextVar::new("eggs");
    /// let context = coro_core::Context::new();
    /// let mut runner = coro_core::Runner::new();
    /// runner.run_in(&context, coroutine(|| { EGGS.set(6); Ok(()) }))?;
    /// assert_eq!(context.get(&EGGS), Some(6));
    /// runner.close()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn run_in<A: Awaitable>(&mut self, context: &Context, main: A) -> Result<A::Output> {
        self.run_main("Runner.run()", Some(context.clone()), false, main)
    }

    /// If the runner ends with this run, what breaks out of the loop cancels all tasks at once, and not main alone.
    fn run_main<A: Awaitable>(
        &mut self,
        name: &str,
        context: Option<Context>,
        last: bool,
        main: A,
    ) -> Result<A::Output> {
        let ready = match running_core() {
            Ok(_) => {
                let message = format!("{name} cannot be called from a running event loop");
                Err(RuntimeError::new(message).into())
            }
            Err(_) => self.ready(),
        };
        let ready = ready.and_then(|ready| check_may_run(&ready.0.core).map(|()| ready));
        let (event_loop, own_context) = match ready {
            Ok(ready) => ready,
            Err(error) => {
                main.__discard();
                return Err(error);
            }
        };
        let context = context.unwrap_or(own_context);
        run_borrowed(&event_loop.core, &context, self.builder.handle_interrupts, last, main)
    }

    /// Ends it: cancels the tasks that are left and waits for them and for jobs in threads, then closes the loop.
    /// Closing twice is fine; closing one that has no loop yet does nothing.
    ///
    /// # Errors
    /// [`RuntimeError`] while a loop runs on this thread.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// let mut runner = coro_core::Runner::new();
    /// let nap = runner.run(coroutine(|| Ok(create_task(sleep(secs(3600))))))?;
    /// runner.close()?;
    /// assert!(nap.cancelled());
    /// assert_eq!(runner.run(coroutine(|| Ok(1))).unwrap_err().to_string(), "Runner is closed");
    /// # Ok::<(), Error>(())
    /// ```
    pub fn close(&mut self) -> Result<()> {
        if let (State::Ready { .. }, Ok(_)) = (&self.state, running_core()) {
            return Err(RuntimeError::new("Runner.close() cannot be called from a running event loop").into());
        }
        if let State::Created = self.state {
            return Ok(()); // as in asyncio, it can still be used
        }
        let State::Ready { event_loop, .. } = std::mem::replace(&mut self.state, State::Closed) else {
            return Ok(());
        };
        let core = &event_loop.core;
        let ended = match core.closed.get() {
            true => Ok(()),
            false => check_may_run(core)
                .and_then(|()| cancel_all(core))
                .and_then(|()| last_rounds(core))
                .and_then(|()| finish_jobs(core)),
        };
        event_loop.close().and(ended)
    }
}

impl Drop for Runner {
    /// Closes the loop by force, also where a task that is parked on it holds a handle of the loop.
    fn drop(&mut self) {
        let State::Ready { event_loop, .. } = &self.state else { return };
        if let Err(error) = event_loop.close() {
            report::error(format_args!("the loop of a runner could not be closed: {error}"));
        }
    }
}

/// Ends the process if it is dropped while the main task still borrows from the frame that holds it.
struct AbortWithMain<'a>(&'a Borrowers);

impl Drop for AbortWithMain<'_> {
    fn drop(&mut self) {
        if self.0.any() {
            report::error("run() would be left while its main task still borrows from the caller: aborting");
            std::process::abort();
        }
    }
}

fn run_borrowed<A: Awaitable>(
    core: &Rc<LoopCore>,
    context: &Context,
    interrupts: bool,
    last: bool,
    main: A,
) -> Result<A::Output> {
    let borrowers = Borrowers::default();
    let _no_return = AbortWithMain(&borrowers);
    let _open = Open::new();
    let slot = Rc::new(Cell::new(None));
    let builder = TaskBuilder::new().context(context);
    // SAFETY: this function is left only when the task no longer borrows: `drive` runs the loop until then, and
    // `AbortWithMain` ends the process if something unwinds past it.
    let task =
        unsafe { spawn_borrowed(builder, Ok(Rc::clone(core)), main, Rc::clone(&slot), &borrowers, None) };
    let interrupted = Rc::new(Cell::new(false));
    let handler = interrupts.then(|| {
        let (main, interrupted) = (task.any_task(), Rc::clone(&interrupted));
        signal::cancel_on_interrupt(core, move || {
            interrupted.set(true);
            main.cancel()
        })
    });
    let stopped = drive(core, &task, last);
    drop(handler);
    let result = unpanic(task.take_result());
    let stopped = match stopped {
        Err(error) if error.breaks_out() => return Err(error),
        other => other,
    };
    match result {
        Err(error) if error.is_cancelled() && interrupted.get() && task.uncancel() == 0 => {
            Err(KeyboardInterrupt.into())
        }
        // It was cancelled because the loop was stopped.
        Err(error) if error.is_cancelled() => Err(stopped.err().unwrap_or(error)),
        Err(error) => Err(error),
        Ok(()) => {
            stopped?;
            slot.take().ok_or_else(|| RuntimeError::new("the main task ended without a result").into())
        }
    }
}

/// Runs the loop until `main` is done, even if it is stopped, deadlocked or broken on the way. If this is the `last`
/// run, a task that breaks out of the loop ends all others with main.
fn drive(core: &Rc<LoopCore>, main: &Task<()>, last: bool) -> Result<()> {
    let mut stop = StopLoop::with(core, &main.any().0);
    let mut outcome = Ok(());
    let mut attempts = 0;
    while attempts < DEADLOCK_ATTEMPTS {
        let mut result = run_loop(core);
        // asyncio would leave main pending here, but it may borrow from our caller.
        while let Err(error) = &result
            && error.breaks_out()
        {
            let first = outcome.as_ref().is_ok_and(|()| !main.done());
            outcome = Err(error.clone());
            stop.leave(&main.any().0, &outcome);
            result = match (first, last) {
                (true, true) => end_tasks(core, &tasks_of(core)),
                (true, false) => end_tasks(core, &[main.any_task()]),
                (false, _) => Ok(()),
            };
            stop = StopLoop::with(core, &main.any().0);
        }
        if main.done() {
            stop.leave(&main.any().0, &outcome);
            return outcome;
        }
        match result {
            // Somebody called `stop`: asyncio would leave main pending, but it may borrow from our caller.
            // However often it is stopped, main ends as one that was cancelled once.
            Ok(()) if outcome.is_err() => {}
            Ok(()) => {
                outcome = Err(RuntimeError::new("Event loop stopped before Future completed.").into());
                main.cancel();
            }
            Err(error) => {
                attempts += 1;
                if !error.is::<Deadlock>() {
                    report::error(format_args!("the loop cannot wait: {error:?}"));
                }
                main.any_task().raise(error);
            }
        }
    }
    outcome
}

/// Stops the loop in the round after the one that hears of the last task's end, as `run_until_complete(gather(..))`.
struct StopWithAll {
    core: Rc<LoopCore>,
    stop: Rc<StopLoop>,
    left: Cell<usize>,
}

impl Runnable for StopWithAll {
    fn run(self: Rc<Self>, _: &Rc<LoopCore>) {
        self.left.set(self.left.get() - 1);
        if self.left.get() == 0 {
            self.core.push(Rc::clone(&self.stop) as Rc<dyn Runnable>);
        }
    }

    fn describe(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("_cancel_all_tasks()")
    }

    fn callback_name(&self) -> String {
        format!("_cancel_all_tasks() at {}:{}", file!(), line!())
    }
}

/// Stops the loop after so many rounds.
struct StopAfter {
    core: Rc<LoopCore>,
    rounds: Cell<u32>,
}

impl Runnable for StopAfter {
    fn run(self: Rc<Self>, _: &Rc<LoopCore>) {
        self.rounds.set(self.rounds.get() - 1);
        match self.rounds.get() {
            0 => self.core.stopping.set(true),
            _ => Rc::clone(&self.core).push(self),
        }
    }

    fn describe(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("run()")
    }
}

/// The rounds in which CPython shuts its asynchronous generators and its executor down: what was scheduled last, such
/// as a callback of a callback, still runs.
fn last_rounds(core: &Rc<LoopCore>) -> Result<()> {
    core.push(Rc::new(StopAfter { core: Rc::clone(core), rounds: Cell::new(LAST_ROUNDS) }));
    run_loop(core)
}

/// Cancels all tasks of the loop and runs it until they have ended; asyncio's `_cancel_all_tasks`.
fn cancel_all(core: &Rc<LoopCore>) -> Result<()> {
    match &tasks_of(core)[..] {
        [] => Ok(()),
        tasks => end_tasks(core, tasks),
    }
}

/// Cancels these tasks and runs the loop until they have ended.
fn end_tasks(core: &Rc<LoopCore>, tasks: &[AnyTask]) -> Result<()> {
    for task in tasks {
        task.cancel();
    }
    let stop = StopLoop::new(core);
    let left =
        Rc::new(StopWithAll { core: Rc::clone(core), stop: Rc::clone(&stop), left: Cell::new(tasks.len()) });
    for task in tasks {
        task.any().0.add_waiter(Rc::clone(&left) as Rc<dyn Runnable>);
    }
    for _ in 0..DEADLOCK_ATTEMPTS {
        if left.left.get() == 0 {
            break;
        }
        match run_loop(core) {
            Err(error) if error.is::<Deadlock>() => {
                report::error(format_args!("while the last tasks were ended: {error}"));
                tasks.iter().filter(|task| !task.done()).for_each(|task| task.raise(error.clone()));
            }
            Err(error) => {
                stop.disarm(); // what is left stops no later run
                return Err(error);
            }
            Ok(()) => {}
        }
    }
    for task in tasks {
        let Some(error) = task.any().exception().filter(|_| !task.cancelled()) else { continue };
        core.call_exception_handler(&ExceptionContext {
            message: "unhandled exception during asyncio.run() shutdown".to_owned(),
            exception: Some(error),
            future: Some(format!("{task:?}")),
            handle: None,
        });
    }
    Ok(())
}

/// Waits for jobs in threads, for as long as CPython does; as `shutdown_default_executor`, without a task.
fn finish_jobs(core: &Rc<LoopCore>) -> Result<()> {
    core.executor_shut.set(true);
    if core.jobs.get() == 0 {
        return Ok(());
    }
    let stop = StopLoop::new(core);
    core.jobs_waiters.borrow_mut().push(Rc::clone(&stop) as Rc<dyn Runnable>);
    core.push_timer_after(THREAD_JOIN_TIMEOUT, stop);
    let result = run_loop(core);
    if core.jobs.get() > 0 {
        warn_of_jobs(THREAD_JOIN_TIMEOUT);
    }
    result
}
