//! The loop as those below it see it: what can run, what can be waited for, and the queues of a loop.
//!
//! Floor 1. [`EventLoop`] is the handle that users hold; its methods that need tasks or the reactor's turn are
//! added by `event_loop/`. [`Runnable`] and [`Waitable`] are the two traits by which this floor calls upwards.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt::{self, Debug};
use std::io;
use std::panic::Location;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::ThreadId;
use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::Clock;
use crate::context::Context;
use crate::error::{Error, Result, RuntimeError};
use crate::reactor::{Notifier, Reactor};
use crate::report;
use crate::timer_queue::TimerQueue;
use crate::unwind;

/// Something the loop runs once per entry in its ready queue: a callback, or the next step of a task.
pub(crate) trait Runnable {
    fn run(self: Rc<Self>);

    /// A cancelled entry is skipped.
    fn is_cancelled(&self) -> bool {
        false
    }

    /// How debug mode names it.
    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;

    /// How it stands in the list of callbacks of a future that it waits for.
    fn callback_name(&self) -> String {
        "callback()".to_owned()
    }
}

/// A future as tasks and combinators see it, whatever its result.
pub(crate) trait Waitable {
    fn is_done(&self) -> bool;
    fn is_cancelled(&self) -> bool;
    fn cancel(self: Rc<Self>, message: Option<String>) -> bool;
    /// What awaiting it would raise: `None` while it is pending, and when it has a result. The exception counts as
    /// seen by somebody.
    fn retrieve(&self) -> Option<Error>;
    /// Schedules `waiter` once it is done; a done one is scheduled at once.
    fn add_waiter(self: Rc<Self>, waiter: Rc<dyn Runnable>);
    /// Takes a waiter back that has not been scheduled yet.
    fn remove_waiter(&self, waiter: &Rc<dyn Runnable>);
    fn event_loop(&self) -> Option<Rc<LoopCore>>;
    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
    /// The name of the task, if it is one.
    fn task_name(&self) -> Option<String>;
}

/// Any future or task, whatever its result: what a coroutine hands to the one who drives it by hand.
///
/// ```
/// use coro_core::prelude::*;
/// use coro_core::{AnyFuture, Future};
///
/// coro_core::run(coroutine(|| {
///     let future = Future::<u32>::new();
///     let any: AnyFuture = future.any();
///     future.set_result(1)?;
///     assert!(any.done() && !any.cancelled());
///     Ok(())
/// })).unwrap();
/// ```
#[derive(Clone)]
pub struct AnyFuture(pub(crate) Rc<dyn Waitable>);

impl AnyFuture {
    /// Whether it has a result, an exception, or was cancelled.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let nap = create_task(sleep(secs(1))).any();
    /// assert!(!nap.done());
    /// sleep(secs(2)).co_await()?;
    /// assert!(nap.done());
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn done(&self) -> bool {
        self.0.is_done()
    }

    /// Whether it was cancelled.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let any = coro_core::Future::<u32>::new().any();
    /// any.cancel();
    /// assert!(any.done() && any.cancelled());
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn cancelled(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Asks it to end: a future at once, a task at its next step. False if it is done already.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let task = create_task(sleep(secs(60)));
    /// assert!(task.any().cancel());
    /// assert!(!task.done()); // it ends at its next step
    /// assert!(task.co_await().unwrap_err().is_cancelled());
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn cancel(&self) -> bool {
        Rc::clone(&self.0).cancel(None)
    }

    /// The exception it ended with, a cancellation included; `None` while it is pending or when it has a result.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let future = coro_core::Future::<u32>::new();
    /// let any = future.any();
    /// assert!(any.exception().is_none());
    /// future.set_exception(Error::msg("burnt"))?;
    /// assert_eq!(any.exception().unwrap().to_string(), "burnt");
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn exception(&self) -> Option<Error> {
        self.0.retrieve()
    }

    /// The name, if it is a task; `task.get_name()`.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let task = create_task(coroutine(|| Ok(1)));
    /// task.set_name("eggs");
    /// assert_eq!(task.any().task_name().as_deref(), Some("eggs"));
    /// assert_eq!(coro_core::Future::<u32>::new().any().task_name(), None);
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn task_name(&self) -> Option<String> {
        self.0.task_name()
    }

    /// Whether both are the same future; Python's `is`.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let (one, two) = (coro_core::Future::<u32>::new(), coro_core::Future::<u32>::new());
    /// assert!(one.any().same(&one.any()) && !one.any().same(&two.any()));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn same(&self, other: &AnyFuture) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl Debug for AnyFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.describe(f)
    }
}

/// What is told to the exception handler of a loop; the `context` dictionary of asyncio.
///
/// ```
/// # use coro_core::prelude::*;
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// get_running_loop()?.call_exception_handler(&coro_core::ExceptionContext {
///     message: "the eggs are burnt".to_owned(),
///     exception: Some(Error::msg("burnt")),
///     future: None,
///     handle: None,
/// });
/// # Ok(())
/// # })).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct ExceptionContext {
    /// What happened, in a sentence.
    pub message: String,
    /// The exception, if there is one.
    pub exception: Option<Error>,
    /// The future or task that it happened to, as its `Debug` output reads.
    pub future: Option<String>,
    /// The callback that it happened in, as its `Debug` output reads.
    pub handle: Option<String>,
}

pub(crate) type ExceptionHandler = Rc<dyn Fn(&EventLoop, &ExceptionContext)>;

/// Everything that belongs to one loop. `event_loop/` runs it; futures and tasks hold it.
pub(crate) struct LoopCore {
    pub(crate) ready: RefCell<VecDeque<Rc<dyn Runnable>>>,
    pub(crate) timers: RefCell<TimerQueue<Rc<dyn Runnable>>>,
    pub(crate) clock: Clock,
    pub(crate) reactor: Reactor,
    pub(crate) doors: Arc<Doors>,
    pub(crate) running: Cell<bool>,
    pub(crate) stopping: Cell<bool>,
    pub(crate) closed: Cell<bool>,
    pub(crate) debug: Cell<bool>,
    pub(crate) slow_callback_duration: Cell<Duration>,
    pub(crate) stack_size: Cell<usize>,
    /// Whether tasks take their first step when they are made.
    pub(crate) eager_tasks: Cell<bool>,
    pub(crate) exception_handler: RefCell<Option<ExceptionHandler>>,
    /// Jobs in threads whose end this loop will be told of.
    pub(crate) jobs: Cell<usize>,
    /// Set while the loop runs only to see the last of those jobs end.
    pub(crate) stop_without_jobs: Cell<bool>,
    /// A permutation seed for the order of one round; `None` keeps asyncio's order.
    pub(crate) seed: Cell<Option<u64>>,
    pub(crate) guard: RefCell<Weak<CloseGuard>>,
    /// What a Ctrl-C does; set while `run` handles it.
    pub(crate) interrupt_hook: RefCell<Option<Rc<dyn Fn()>>>,
}

/// What other threads may use to reach a loop.
pub(crate) struct Doors {
    pub(crate) notifier: Arc<Notifier>,
    queue: Mutex<Vec<Box<dyn FnOnce() + Send>>>,
    has_mail: AtomicBool,
    closed: AtomicBool,
    /// SIGINTs that arrived for this loop's main task and were not acted on yet.
    pub(crate) interrupts: AtomicUsize,
    pub(crate) thread: ThreadId,
    /// Threads that block for a result of this loop: jobs among them do not hold a virtual clock.
    pub(crate) blocked: Arc<AtomicUsize>,
}

impl Doors {
    /// Hands `job` to the loop. Gives it back if the loop is closed.
    pub(crate) fn send(&self, job: Box<dyn FnOnce() + Send>) -> Result<(), Box<dyn FnOnce() + Send>> {
        let mut queue = self.queue.lock();
        if self.closed.load(Ordering::SeqCst) {
            return Err(job);
        }
        queue.push(job);
        drop(queue);
        self.has_mail.store(true, Ordering::SeqCst);
        self.notifier.notify();
        Ok(())
    }

    /// What came in since the last call.
    pub(crate) fn collect(&self) -> Vec<Box<dyn FnOnce() + Send>> {
        // The plain look comes first: it costs nothing on the hot path, and what is missed now is seen next time.
        match self.has_mail.load(Ordering::Acquire) && self.has_mail.swap(false, Ordering::SeqCst) {
            true => std::mem::take(&mut *self.queue.lock()),
            false => Vec::new(),
        }
    }

    pub(crate) fn close(&self) -> Vec<Box<dyn FnOnce() + Send>> {
        let mut queue = self.queue.lock();
        self.closed.store(true, Ordering::SeqCst);
        std::mem::take(&mut *queue)
    }
}

impl LoopCore {
    pub(crate) fn new(clock: Clock, stack_size: usize) -> io::Result<Rc<Self>> {
        let reactor = Reactor::new()?;
        let doors = Doors {
            notifier: reactor.notifier(),
            queue: Mutex::new(Vec::new()),
            has_mail: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            interrupts: AtomicUsize::new(0),
            thread: std::thread::current().id(),
            blocked: Arc::default(),
        };
        Ok(Rc::new(Self {
            ready: RefCell::default(),
            timers: RefCell::new(TimerQueue::new()),
            clock,
            reactor,
            doors: Arc::new(doors),
            running: Cell::new(false),
            stopping: Cell::new(false),
            closed: Cell::new(false),
            debug: Cell::new(false),
            slow_callback_duration: Cell::new(Duration::from_millis(100)),
            stack_size: Cell::new(stack_size),
            eager_tasks: Cell::new(false),
            exception_handler: RefCell::default(),
            jobs: Cell::new(0),
            stop_without_jobs: Cell::new(false),
            seed: Cell::new(None),
            guard: RefCell::new(Weak::new()),
            interrupt_hook: RefCell::default(),
        }))
    }

    /// Puts `item` at the end of the ready queue. On a closed loop nothing happens.
    pub(crate) fn push(&self, item: Rc<dyn Runnable>) {
        if !self.closed.get() {
            self.ready.borrow_mut().push_back(item);
        }
    }

    /// Runs `item` at `when` by this loop's clock. On a closed loop nothing happens.
    pub(crate) fn push_timer(&self, when: Duration, item: Rc<dyn Runnable>) {
        if !self.closed.get() {
            self.timers.borrow_mut().push(when, item);
        }
    }

    /// Tells the timer queue that one of its entries has become useless.
    pub(crate) fn note_timer_cancelled(&self) {
        let mut timers = self.timers.borrow_mut();
        if timers.note_cancelled() {
            let gone = timers.sweep(|item| item.is_cancelled());
            drop(timers);
            drop(gone);
        }
    }

    /// How many of the references on the doors are the loop's own and its signal handler's.
    pub(crate) fn own_doors(&self) -> usize {
        1 + usize::from(self.interrupt_hook.borrow().is_some())
    }

    pub(crate) fn check_open(&self) -> Result<()> {
        match self.closed.get() {
            true => Err(RuntimeError::new("Event loop is closed").into()),
            false => Ok(()),
        }
    }

    /// A handle for users.
    pub(crate) fn handle(self: &Rc<Self>) -> EventLoop {
        let guard = self.guard.borrow().upgrade();
        EventLoop { core: Rc::clone(self), guard }
    }

    /// Tells the exception handler, or the log.
    pub(crate) fn call_exception_handler(self: &Rc<Self>, context: &ExceptionContext) {
        let handler = self.exception_handler.borrow().clone();
        let Some(handler) = handler else { return default_exception_handler(context) };
        let event_loop = self.handle();
        let call = std::panic::AssertUnwindSafe(|| handler(&event_loop, context));
        if let Err(payload) = std::panic::catch_unwind(call) {
            unwind::pass_on(&*payload);
            let message = "Unhandled error in exception handler".to_owned();
            let exception = Some(Error::new(crate::error::Panicked::new(payload)));
            default_exception_handler(&ExceptionContext { message, exception, future: None, handle: None });
        }
    }
}

pub(crate) fn default_exception_handler(context: &ExceptionContext) {
    let ExceptionContext { message, exception, future, handle } = context;
    let mut text = message.clone();
    for (name, value) in [("future", future), ("handle", handle)] {
        if let Some(value) = value {
            text.push_str(&format!("\n{name}: {value}"));
        }
    }
    match exception {
        Some(exception) => report::exception(text, exception),
        None => report::error(text),
    }
}

/// Closes the loop when the last handle of a user is gone. Tasks and futures do not count.
pub(crate) struct CloseGuard {
    pub(crate) core: Rc<LoopCore>,
    pub(crate) close: fn(&Rc<LoopCore>),
}

impl Drop for CloseGuard {
    fn drop(&mut self) {
        (self.close)(&self.core);
    }
}

/// An event loop; `asyncio.BaseEventLoop`. A clone is another handle on the same loop.
///
/// Most programs never make one: [`run`](crate::run) does, and [`get_running_loop`] gives it.
/// Dropping the last handle closes the loop.
///
/// ```
/// use coro_core::prelude::*;
///
/// let event_loop = coro_core::EventLoop::new()?;
/// let six = event_loop.run_until_complete(coroutine(|| Ok(6)))?;
/// event_loop.close()?;
/// assert_eq!((six, event_loop.is_closed()), (6, true));
/// # Ok::<(), Error>(())
/// ```
///
/// A loop stays on its thread:
/// ```compile_fail
/// let event_loop = coro_core::EventLoop::new().unwrap();
/// std::thread::spawn(move || event_loop.close());
/// ```
#[derive(Clone)]
pub struct EventLoop {
    pub(crate) core: Rc<LoopCore>,
    #[expect(dead_code, reason = "held for its Drop")]
    pub(crate) guard: Option<Rc<CloseGuard>>,
}

impl EventLoop {
    /// Whether it is running now.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// assert!(get_running_loop()?.is_running());
    /// assert!(!coro_core::EventLoop::new()?.is_running());
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn is_running(&self) -> bool {
        self.core.running.get()
    }

    /// Whether it was closed.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// let event_loop = coro_core::EventLoop::new()?;
    /// assert!(!event_loop.is_closed());
    /// event_loop.close()?;
    /// assert!(event_loop.is_closed());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn is_closed(&self) -> bool {
        self.core.closed.get()
    }

    /// The time by the loop's clock, from an origin of the loop's own.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let clock = get_running_loop()?;
    /// let before = clock.time();
    /// sleep(secs(3)).co_await()?;
    /// assert_eq!(clock.time() - before, secs(3));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn time(&self) -> Duration {
        self.core.clock.now()
    }

    /// Whether debug mode is on.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// assert!(!get_running_loop()?.get_debug());
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn get_debug(&self) -> bool {
        self.core.debug.get()
    }

    /// Turns debug mode on or off: slow callbacks are reported to the log.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let event_loop = get_running_loop()?;
    /// event_loop.set_debug(true);
    /// assert!(event_loop.get_debug());
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn set_debug(&self, on: bool) {
        self.core.debug.set(on);
    }

    /// What counts as slow in debug mode; 100 ms at first.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// assert_eq!(get_running_loop()?.slow_callback_duration(), millis(100));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn slow_callback_duration(&self) -> Duration {
        self.core.slow_callback_duration.get()
    }

    /// Sets what counts as slow in debug mode; `loop.slow_callback_duration = seconds`.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let event_loop = get_running_loop()?;
    /// event_loop.set_slow_callback_duration(millis(5));
    /// assert_eq!(event_loop.slow_callback_duration(), millis(5));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn set_slow_callback_duration(&self, duration: Duration) {
        self.core.slow_callback_duration.set(duration);
    }

    /// Address space for the stack of each task that starts from now on, in bytes.
    ///
    /// # Errors
    /// [`ValueError`](crate::ValueError) if no stack can have that size.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// get_running_loop()?.set_stack_size(1 << 20)?;
    /// let deep = create_task(coroutine(|| Ok(std::hint::black_box([0_u8; 512 * 1024]).len())));
    /// assert_eq!(deep.co_await()?, 512 * 1024);
    /// assert!(get_running_loop()?.set_stack_size(1).is_err());
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn set_stack_size(&self, bytes: usize) -> Result<()> {
        crate::stack::check_size(bytes)?;
        self.core.stack_size.set(bytes);
        Ok(())
    }

    /// Sets what is told of exceptions that nobody else can be told of, in place of the log.
    ///
    /// ```
    /// use coro_core::prelude::*;
    /// use std::{cell::Cell, rc::Rc};
    /// let told = Rc::new(Cell::new(false));
    /// coro_core::run(coroutine(|| {
    ///     let event_loop = get_running_loop()?;
    ///     let heard = Rc::clone(&told);
    ///     event_loop.set_exception_handler(move |_, context| {
    ///         heard.set(context.message == "Task exception was never retrieved");
    ///     });
    ///     create_task(coroutine(|| Err::<(), _>(Error::msg("burnt"))));
    ///     sleep(millis(1)).co_await()
    /// }))?;
    /// assert!(told.get());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn set_exception_handler(&self, handler: impl Fn(&EventLoop, &ExceptionContext) + 'static) {
        let old = self.core.exception_handler.replace(Some(Rc::new(handler)));
        drop(old);
    }

    /// Lets the log be told again; `set_exception_handler(None)`.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let event_loop = get_running_loop()?;
    /// event_loop.set_exception_handler(|_, _| ());
    /// event_loop.reset_exception_handler();
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn reset_exception_handler(&self) {
        let old = self.core.exception_handler.take();
        drop(old);
    }

    /// Tells the exception handler of something, or the log if there is none. A panic of the handler is
    /// logged.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// use coro_core::ExceptionContext;
    /// let (said, heard) = std::sync::mpsc::channel();
    /// let event_loop = get_running_loop()?;
    /// event_loop.set_exception_handler(move |_, context| said.send(context.message.clone()).unwrap());
    /// event_loop.call_exception_handler(&ExceptionContext {
    ///     message: "burnt".to_owned(),
    ///     exception: None,
    ///     future: None,
    ///     handle: None,
    /// });
    /// assert_eq!(heard.recv().unwrap(), "burnt");
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn call_exception_handler(&self, context: &ExceptionContext) {
        self.core.call_exception_handler(context);
    }

    /// Logs `context` as a loop without a handler of its own does.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// // A handler that leaves to the log what it does not know:
    /// get_running_loop()?.set_exception_handler(|event_loop, context| {
    ///     if !context.message.contains("eggs") {
    ///         event_loop.default_exception_handler(context);
    ///     }
    /// });
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn default_exception_handler(&self, context: &ExceptionContext) {
        default_exception_handler(context);
    }

    /// Whether both are handles on the same loop; Python's `is`.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let event_loop = get_running_loop()?;
    /// assert!(event_loop.same(&get_running_loop()?) && !event_loop.same(&coro_core::EventLoop::new()?));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn same(&self, other: &EventLoop) -> bool {
        Rc::ptr_eq(&self.core, &other.core)
    }

    /// Runs `callback` in the next round, in a copy of the present context. It cannot await. On a closed loop
    /// it never runs: its handle is a cancelled one.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let (said, heard) = std::sync::mpsc::channel();
    /// get_running_loop()?.call_soon(move || said.send("eggs").unwrap());
    /// assert!(heard.try_recv().is_err()); // not yet
    /// sleep(Duration::ZERO).co_await()?;
    /// assert_eq!(heard.try_recv().unwrap(), "eggs");
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    #[track_caller]
    pub fn call_soon(&self, callback: impl FnOnce() + 'static) -> Handle {
        self.schedule(Handle::new(&self.core, callback))
    }

    /// On a closed loop nothing runs any more: the handle says so.
    fn schedule(&self, handle: Handle) -> Handle {
        match self.core.closed.get() {
            true => handle.cancel(),
            false => self.core.push(handle.inner.clone()),
        }
        handle
    }

    /// Runs `callback` in the next round with `context` in force; `loop.call_soon(callback,
    /// context=context)`.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// static USER: coro_core::ContextVar<&str> = coro_core::ContextVar::new("user");
    /// let context = coro_core::Context::new();
    /// get_running_loop()?.call_soon_in(&context, || { USER.set("ada"); });
    /// sleep(Duration::ZERO).co_await()?;
    /// assert_eq!(context.get(&USER), Some("ada"));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    #[track_caller]
    pub fn call_soon_in(&self, context: &Context, callback: impl FnOnce() + 'static) -> Handle {
        self.schedule(Handle::with_context(&self.core, context.clone(), callback))
    }

    /// Runs `callback` when `delay` has passed.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let event = std::rc::Rc::new(Event::new());
    /// get_running_loop()?.call_later(secs(3), { let event = event.clone(); move || event.set() });
    /// event.wait().co_await()?;
    /// assert_eq!(get_running_loop()?.time(), secs(3));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    #[track_caller]
    pub fn call_later(&self, delay: Duration, callback: impl FnOnce() + 'static) -> TimerHandle {
        self.call_at(self.time().saturating_add(delay), callback)
    }

    /// Runs `callback` at `when` by the loop's clock; a moment in the past means the next round.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let event_loop = get_running_loop()?;
    /// let timer = event_loop.call_at(event_loop.time() + secs(3), || ());
    /// assert_eq!(timer.when(), secs(3));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    #[track_caller]
    pub fn call_at(&self, when: Duration, callback: impl FnOnce() + 'static) -> TimerHandle {
        let handle = Handle::new(&self.core, callback);
        if self.core.closed.get() {
            handle.cancel();
        }
        handle.inner.timer.set(true);
        self.core.push_timer(when, handle.inner.clone());
        TimerHandle { handle, when }
    }
}

impl Debug for EventLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (running, closed, debug) = (self.is_running(), self.is_closed(), self.get_debug());
        write!(f, "<EventLoop running={running} closed={closed} debug={debug}>")
    }
}

type Callback = Box<dyn FnOnce()>;

pub(crate) struct HandleInner {
    callback: Cell<Option<Callback>>,
    context: Context,
    core: Weak<LoopCore>,
    cancelled: Cell<bool>,
    timer: Cell<bool>,
    location: &'static Location<'static>,
}

impl Runnable for HandleInner {
    fn run(self: Rc<Self>) {
        let Some(callback) = self.callback.take() else { return };
        let entered = self.context.enter();
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(callback));
        drop(entered);
        if let (Err(payload), Some(core)) = (result, self.core.upgrade()) {
            unwind::pass_on(&*payload);
            let exception = Error::new(crate::error::Panicked::new(payload));
            core.call_exception_handler(&ExceptionContext {
                message: format!("Exception in callback at {}", self.location),
                exception: Some(exception),
                future: None,
                handle: Some(format!("{self:?}")),
            });
        }
    }

    fn is_cancelled(&self) -> bool {
        self.cancelled.get()
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.timer.get() { "TimerHandle" } else { "Handle" };
        let cancelled = if self.cancelled.get() { " cancelled" } else { "" };
        write!(f, "<{kind}{cancelled} closure() at {}>", self.location)
    }
}

impl Debug for HandleInner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.describe(f)
    }
}

fn callback_entry(
    core: &Rc<LoopCore>,
    context: Context,
    location: &'static Location<'static>,
    callback: impl FnOnce() + 'static,
) -> Rc<HandleInner> {
    Rc::new(HandleInner {
        callback: Cell::new(Some(Box::new(callback))),
        context,
        core: Rc::downgrade(core),
        cancelled: Cell::new(false),
        timer: Cell::new(false),
        location,
    })
}

/// An entry for the ready queue that runs `callback`, which was registered at `location`.
pub(crate) fn callback(
    core: &Rc<LoopCore>,
    context: Context,
    location: &'static Location<'static>,
    callback: impl FnOnce() + 'static,
) -> Rc<dyn Runnable> {
    callback_entry(core, context, location, callback)
}

/// A callback that a loop will run; `asyncio.Handle`. Dropping it changes nothing.
///
/// ```
/// use coro_core::prelude::*;
/// coro_core::run(coroutine(|| {
///     let handle = get_running_loop()?.call_soon(|| unreachable!());
///     handle.cancel();
///     assert!(handle.cancelled());
///     sleep(secs(1)).co_await()
/// })).unwrap();
/// ```
#[derive(Clone)]
pub struct Handle {
    pub(crate) inner: Rc<HandleInner>,
}

impl Handle {
    #[track_caller]
    fn new(core: &Rc<LoopCore>, callback: impl FnOnce() + 'static) -> Self {
        Self::with_context(core, Context::current().copy(), callback)
    }

    #[track_caller]
    fn with_context(core: &Rc<LoopCore>, context: Context, callback: impl FnOnce() + 'static) -> Self {
        Self { inner: callback_entry(core, context, Location::caller(), callback) }
    }

    /// The callback will not run, if it has not run yet.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let handle = get_running_loop()?.call_soon(|| unreachable!());
    /// handle.cancel();
    /// sleep(secs(1)).co_await()?;
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn cancel(&self) {
        if self.inner.cancelled.replace(true) {
            return;
        }
        let callback = self.inner.callback.take();
        if let (Some(core), true, true) =
            (self.inner.core.upgrade(), callback.is_some(), self.inner.timer.get())
        {
            core.note_timer_cancelled();
        }
        drop(callback);
    }

    /// Whether it was cancelled.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let handle = get_running_loop()?.call_soon(|| ());
    /// assert!(!handle.cancelled());
    /// handle.cancel();
    /// assert!(handle.cancelled());
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn cancelled(&self) -> bool {
        self.inner.cancelled.get()
    }
}

impl Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.describe(f)
    }
}

/// A callback that a loop will run at a certain time; `asyncio.TimerHandle`.
///
/// ```
/// use coro_core::prelude::*;
/// coro_core::run(coroutine(|| {
///     let timer = get_running_loop()?.call_later(secs(5), || unreachable!());
///     assert!(timer.when() >= secs(5));
///     timer.cancel();
///     Ok(())
/// })).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct TimerHandle {
    handle: Handle,
    when: Duration,
}

impl TimerHandle {
    /// When it runs, by the loop's clock.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// assert_eq!(get_running_loop()?.call_later(secs(5), || ()).when(), secs(5));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn when(&self) -> Duration {
        self.when
    }

    /// The callback will not run, if it has not run yet.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let timer = get_running_loop()?.call_later(secs(5), || unreachable!());
    /// timer.cancel();
    /// sleep(secs(10)).co_await()?;
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn cancel(&self) {
        self.handle.cancel();
    }

    /// Whether it was cancelled.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let timer = get_running_loop()?.call_later(secs(5), || ());
    /// assert!(!timer.cancelled());
    /// timer.cancel();
    /// assert!(timer.cancelled());
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn cancelled(&self) -> bool {
        self.handle.cancelled()
    }
}

thread_local! {
    static RUNNING: RefCell<Option<Rc<LoopCore>>> = const { RefCell::new(None) };
}

/// The loop that runs on this thread; `asyncio.get_running_loop()`.
///
/// # Errors
/// [`RuntimeError`] "no running event loop" outside of a task and of a callback.
///
/// ```
/// use coro_core::prelude::*;
/// assert!(get_running_loop().is_err());
/// coro_core::run(coroutine(|| {
///     assert!(get_running_loop()?.is_running());
///     Ok(())
/// })).unwrap();
/// ```
pub fn get_running_loop() -> Result<EventLoop> {
    running_core().map(|core| core.handle())
}

pub(crate) fn running_core() -> Result<Rc<LoopCore>> {
    match RUNNING.try_with(|running| running.borrow().clone()) {
        Ok(Some(core)) => Ok(core),
        _ => Err(RuntimeError::new("no running event loop").into()),
    }
}

/// Marks `core` as this thread's running loop until the guard is dropped.
pub(crate) fn enter_running(core: &Rc<LoopCore>) -> RunningGuard {
    // At the end of the thread there is no place to mark it any more.
    let before = RUNNING.try_with(|running| running.replace(Some(Rc::clone(core))));
    RunningGuard { before: before.unwrap_or_default() }
}

pub(crate) struct RunningGuard {
    before: Option<Rc<LoopCore>>,
}

impl Drop for RunningGuard {
    fn drop(&mut self) {
        let own = RUNNING.try_with(|running| running.replace(self.before.take()));
        drop(own);
    }
}
