//! What every scenario needs: the clock, the lines it prints, and the comparison with what CPython printed.
//!
//! A scenario runs on a thread of its own under a virtual clock that starts at zero and goes on from one loop to
//! the next. [`trace!`] prints a line with the time; the library's reports become lines too. The lines are then
//! compared, one by one, with the recorded trace next to the port. Three things may differ, all of them written
//! down here: how a value is spelt ([`normalise`]), what an exception is called ([`show`]), and single lines that
//! the language cannot have ([`DIFFERENCES`]).

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt::{Arguments, Debug};
use std::io::ErrorKind;
use std::time::Duration;

use coro_core::{
    Awaitable, Cancelled, Error, EventLoop, GeneratorState, LoopBuilder, Result, RunBuilder, Runner,
    StopIteration, get_running_loop,
};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// A line that CPython prints and a Rust program cannot.
struct Difference {
    scenario: &'static str,
    /// The line as it was recorded, without the time.
    recorded: &'static str,
    /// What stands in its place.
    here: Option<&'static str>,
    #[expect(dead_code, reason = "for the reader")]
    reason: &'static str,
}

/// `scenario: line of CPython => line of ours, because reason`, or `left out` in place of our line.
macro_rules! differences {
    ($($scenario:ident: $recorded:literal => $($here:literal)? $(left $out:ident)?, because $reason:literal;)*) => {
        &[$(Difference {
            scenario: stringify!($scenario),
            recorded: $recorded,
            here: differences!(@ $($here)? $(left $out)?),
            reason: $reason,
        }),*]
    };
    (@ $here:literal) => { Some($here) };
    (@ left out) => { None };
}

/// All lines in which a port cannot agree with CPython. An entry that matches no recorded line is an error.
const DIFFERENCES: &[Difference] = differences! {
    s001_gen_send_just_started: "TypeError: can't send non-None value to a just-started generator"
        => "TypeError: can't send a value to a just-started generator: call start() first",
        because "what is sent has a type, which need not have a None";
    s009_gen_yield_from_iterator:
        "at yield from: AttributeError: 'list_iterator' object has no attribute 'send'"
        => "at yield from: TypeError: thrown in place of a value",
        because "a generator that is sent values and delegates to an iterator does not compile";
    s013_gen_states: "GEN_CREATED None" => "GEN_CREATED",
        because "a generator does not tell what it delegates to";
    s013_gen_states: "GEN_SUSPENDED inner False" => "GEN_SUSPENDED False",
        because "as above";
    s013_gen_states: "GEN_CLOSED None None" => "GEN_CLOSED",
        because "as above, and there are no frame objects";
    s043_timer_order: "negative" => left out,
        because "a delay is not negative";
    s071_shield_inner_ends: "same object when done: True" => "same object when done: False",
        because "a shield gives its result to one awaiter, so it is a future of its own";
    s073_cancel_gather_child: r#"["CancelledError('')", "'b'"]"#
        => r#"["CancelledError('stop a')", "'b'"]"#,
        because "a cancellation that is a result keeps its message";
    s097_timeout_own_error: "True" => left out,
        because "there is one name for it";
    s123_group_except_star: "['ValueError: 1', 'ValueError: 3'] ['KeyError: 2'] None"
        => "['ValueError: 1', 'ValueError: 3'] ['LookupError: 2'] None",
        because "a KeyError of a number would be quoted";
    s133_gather_return_exceptions: r#"["'a'", "KeyError('b')", "CancelledError('')", "CancelledError('')"]"#
        => r#"["'a'", "KeyError('b')", "CancelledError()", "CancelledError()"]"#,
        because "a cancellation that is a result keeps its message, here none";
    s135_gather_done_states: "<_GatheringFuture pending>" => "<Future pending>",
        because "a gathered future has no type of its own";
    s143_wait_wrong_arguments: "TypeError: expect a list of futures, not Task" => left out,
        because "it does not compile";
    s143_wait_wrong_arguments: "TypeError: Passing coroutines is forbidden, use tasks explicitly." => left out,
        because "it does not compile";
    s143_wait_wrong_arguments: "ValueError: Invalid return_when value: SOMETIME" => left out,
        because "it does not compile";
    s161_future_callbacks_on_cancel: "handler: KeyError: 'callback'" => "handler: Panicked: panicked: callback",
        because "a callback gives no result: one that fails panics";
    s163_task_destroyed_pending: "handler: Task was destroyed but it is pending! ['message', 'task']" => left out,
        because "the loop holds its tasks: none is freed while it is pending";
    s163_task_destroyed_pending: "end 1" => "end 2",
        because "as above";
    s169_ensure_future_kinds: "TypeError" => left out,
        because "every awaitable can be a task";
    s171_lock_errors: "RuntimeError: Lock is not acquired." => left out,
        because "only a guard releases";
    s171_lock_errors: "TypeError" => left out,
        because "there is no `with` for a guard";
    s177_semaphore_counts: "ValueError: Semaphore initial value must be >= 0" => left out,
        because "a number of permits is not negative";
    s207_agen_stop_async_iteration:
        "RuntimeError: async generator raised StopAsyncIteration cause StopAsyncIteration: s"
        => "RuntimeError: async generator raised StopAsyncIteration cause StopAsyncIteration",
        because "the end of an iteration has no message";
    s207_agen_stop_async_iteration: "RuntimeError: async generator raised StopIteration cause StopIteration: i"
        => "RuntimeError: async generator raised StopIteration cause StopIteration",
        because "as above";
    s221_acm_enter_fails: "TypeError" => left out,
        because "it does not compile";
    s223_asynccontextmanager_decorator: "out StopAsyncIteration: s True" => "out StopAsyncIteration True",
        because "the end of an iteration has no message";
    s223_asynccontextmanager_decorator: "out StopIteration: i True" => "out StopIteration True",
        because "as above";
    s241_runner_errors: "ValueError" => left out,
        because "it does not compile";
    s243_loop_closed: "call_soon RuntimeError: Event loop is closed" => "call_soon cancelled true",
        because "the call gives a handle: one that was cancelled";
    s243_loop_closed: "call_later RuntimeError: Event loop is closed" => "call_later cancelled true",
        because "as above";
    s251_call_at_past: "TypeError: delay must not be None" => left out,
        because "it does not compile";
    s253_executor_exception: "TypeError" => "Panicked",
        because "a job with arguments of a wrong type does not compile; one that panics takes its place";
    s257_handler_that_raises: "LOG ERROR Unhandled error in exception handler | KeyError: 'broken handler'"
        => "LOG ERROR Unhandled error in exception handler | Panicked: panicked: broken handler",
        because "a handler gives no result: one that fails panics";
    s261_debug_wrong_thread:
        "['RuntimeError: Non-thread-safe operation invoked on an event loop other than the current one']"
        => "[]",
        because "a loop is not `Send`: the call does not compile";
    s261_debug_wrong_thread: "TypeError: coroutines cannot be used with call_soon()" => left out,
        because "it does not compile";
    s433_wait_for_same_task: "limit -1 TimeoutError cause CancelledError" => left out,
        because "a limit is not negative";
    s463_timeout_error_in_context: "ValueError <- TimeoutError <- CancelledError" => "ValueError",
        because "an error has no context but the cause that it is given";
    s463_timeout_error_in_context: "group ExceptionGroup <- TimeoutError <- CancelledError | \
        inside: ['ValueError <- TimeoutError <- CancelledError']"
        => "group ExceptionGroup | inside: ['ValueError']",
        because "as above";
    s481_generator_close_value: "a generator expression: None" => left out,
        because "an iterator is not closed";
    s491_run_with_loop_factory: "loop made" => "LOG DEBUG Using selector: epoll",
        because "a builder takes the place of a factory; that it made a loop is told by the log";
    s927_exit_at_shutdown: "LOG ERROR unhandled exception during asyncio.run() shutdown\\ntask: \
        <Task finished name='a' coro=<sleeper() done, defined at FILE:LINE> exception=ValueError('of a')> | \
        ValueError: of a"
        => "LOG ERROR unhandled exception during asyncio.run() shutdown\\nfuture: \
        <Task finished name='a' coro=<sleeper() done, defined at FILE:LINE> exception=ValueError('of a')> | \
        ValueError: of a",
        because "the context of an exception names a task as it names a future";
    s927_exit_at_shutdown: "LOG ERROR unhandled exception during asyncio.run() shutdown\\ntask: \
        <Task finished name='main' coro=<main_waits() done, defined at FILE:LINE> \
        exception=ValueError('of main')> | ValueError: of main"
        => "LOG ERROR unhandled exception during asyncio.run() shutdown\\nfuture: \
        <Task finished name='main' coro=<main_waits() done, defined at FILE:LINE> \
        exception=ValueError('of main')> | ValueError: of main",
        because "as above";
    s941_groups_split: "ValueError: second argument (exceptions) must be a non-empty sequence" => left out,
        because "a group without errors can be made";
    s943_contexts_of_tasks: "a token is used once" => left out,
        because "a token is moved: using it again does not compile";
    s951_never_retrieved: "handler: _GatheringFuture exception was never retrieved | ValueError: 10"
        => "handler: Future exception was never retrieved | ValueError: 10",
        because "a gathered future has no type of its own";
    s957_agen_states:
        "asend a value first raises TypeError: can't send non-None value to a just-started async generator"
        => "asend a value first raises TypeError: can't send a value to a just-started generator: call start() first",
        because "what is sent has a type, which need not have a None";
    s957_agen_states: "athrow after it gives None" => "athrow after it raises ValueError: v",
        because "an error that nobody can catch is not lost";
    s957_agen_states: "UNRAISABLE RuntimeError: async generator ignored GeneratorExit"
        => "UNRAISABLE generator 'generator' ignored GeneratorExit",
        because "the report names the generator";
    s965_task_corners: "outer sees () 0 1" => "outer sees ('one',) 0 1",
        because "a cancellation keeps its message, whoever is told of it";
    s1007_reader_waiters: "[CancelledError('')]" => "[CancelledError()]",
        because "a cancellation that is a result keeps its message, here none";
    s1015_server_corners: "closed RuntimeError server <Server sockets=()> is closed"
        => "closed RuntimeError server <Server sockets=[]> is closed",
        because "there are no tuples of any length";
    s1015_server_corners: "start TypeError" => "start RuntimeError",
        because "it says that the server is closed";
    s1017_failing_callbacks: "lost ValueError" => "lost Panicked",
        because "a callback gives no result: one that fails panics";
    s1029_task_stack: "[] No stack for <Task finished name='within' coro=<within() done, defined at FILE:LINE> \
        result=None>"
        => "[] No stack for <Task finished name='within' coro=<within() done, defined at FILE:LINE>>",
        because "a result need not have a repr";
    s1029_task_stack: "[] No stack for <Task finished name='value' coro=<value() done, defined at FILE:LINE> \
        result=None>"
        => "[] No stack for <Task finished name='value' coro=<value() done, defined at FILE:LINE>>",
        because "as above";
    s1033_agen_thrown_and_closed: "UNRAISABLE RuntimeError: async generator ignored GeneratorExit"
        => "UNRAISABLE generator 'generator' ignored GeneratorExit",
        because "the report names the generator";
    s10_debug_logging: "LOG DEBUG Using selector: EpollSelector" => "LOG DEBUG Using selector: epoll",
        because "the poller is no object with a class";
    s22_nested_loop_refused: "RuntimeError: asyncio.run() cannot be called from a running event loop"
        => "RuntimeError: run() cannot be called from a running event loop",
        because "the function is called `run`";
    s41_reflection: "<class 'function'>" => left out,
        because "every function has a type of its own";
    s41_reflection: "['__await__', 'close', 'cr_await', 'cr_code', 'cr_frame', 'cr_origin', 'cr_running', 'send', 'throw']"
        => left out,
        because "methods cannot be listed at run time";
    s41_reflection: "CORO_CLOSED None" => "CORO_CLOSED",
        because "there are no frame objects";
    s47_done_callback: "handler: TypeError: no_parameter() takes 0 positional arguments but 1 was given"
        => "handler: Panicked: panicked: no_parameter() fails",
        because "a callback without a parameter does not compile; one that panics takes its place";
    s54_await_keyword: "['f is ready', None]" => "('f is ready', None)",
        because "results of different types come as a tuple";
    s55_await_rules: "SyntaxError: 'yield from' inside async function" => left out,
        because "it does not compile";
    s55_await_rules: "SyntaxError: 'await' outside async function" => left out,
        because "it does not compile";
    s55_await_rules: "SyntaxError: 'return' with value in async generator" => left out,
        because "it does not compile";
    s60_run_once: "ValueError a coroutine was expected" => left out,
        because "it does not compile";
    s61_run_inside_loop: "RuntimeError: asyncio.run() cannot be called from a running event loop"
        => "RuntimeError: run() cannot be called from a running event loop",
        because "the function is called `run`";
};

/// Scenarios without a port, and what they wait for.
pub const NOT_PORTED: &[(&str, &str)] = &[];

/// Scenarios whose traces are not here either: why, and which.
pub const NOT_TAKEN_OVER: &[(&str, &[&str])] =
    &[("the language: not a line of it compiles, see tests/ui", &["s025_await_wrong_objects"])];

/// What CPython calls the types that have another name here.
const TYPE_NAMES: &[(&str, &str)] = &[
    ("AsyncGenerator", "async_generator"),
    ("BrokenBarrier", "BrokenBarrierError"),
    ("Cancelled", "CancelledError"),
    ("Coroutine", "coroutine"),
    ("Elapsed", "TimeoutError"),
    ("ErrorGroup", "ExceptionGroup"),
    ("EventLoop", "_UnixSelectorEventLoop"),
    ("IncompleteRead", "IncompleteReadError"),
    ("InvalidState", "InvalidStateError"),
    ("LimitOverrun", "LimitOverrunError"),
];

/// How a value is spelt where Rust has another word for it.
const WORDS: &[(&str, &str)] = &[("true", "True"), ("false", "False"), ("()", "None")];

/// Exceptions that say nothing in Python, with what they say here.
const SILENT: &[(&str, &str)] = &[
    ("Cancelled", "cancelled"),
    ("Elapsed", "timed out"),
    ("GeneratorExit", "generator is being closed"),
    ("KeyboardInterrupt", "interrupted"),
    ("QueueEmpty", "the queue is empty"),
    ("QueueFull", "the queue is full"),
    ("QueueShutDown", "the queue was shut down"),
    ("StopAsyncIteration", "asynchronous iterator has ended"),
    ("StopIteration", "generator has ended"),
];

thread_local! {
    static LINES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    /// The time when no loop runs.
    static CLOCK: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    /// The loop that was made last; its clock goes on from `CLOCK`.
    static LAST_LOOP: RefCell<Option<EventLoop>> = const { RefCell::new(None) };
    /// How many rounds share one look at the clock.
    static SAMPLE_EVERY: Cell<u32> = const { Cell::new(1) };
    static LOG_LEVEL: Cell<Level> = const { Cell::new(Level::WARN) };
    static LOG_FILTER: Cell<fn(String) -> String> = const { Cell::new(std::convert::identity) };
}

/// Prints one line of the trace: the virtual time, then what `format!` makes of the arguments.
macro_rules! trace {
    ($($arguments:tt)*) => { $crate::harness::print(format_args!($($arguments)*)) };
}
pub(crate) use trace;

/// A struct that prints as the dict of the Python program does.
macro_rules! dict {
    ($name:ident { $($key:ident: $value:ty),* $(,)? }) => {
        #[derive(Clone)]
        struct $name { $($key: $value),* }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_map()$(.entry(&stringify!($key), &self.$key))*.finish()
            }
        }
    };
}
pub(crate) use dict;

/// Whether the type of a value implements a trait: `isinstance`, `inspect.isawaitable`, `asyncio.isfuture`.
macro_rules! implements {
    ($value:expr, $($bound:tt)+) => {{
        // The method of the type itself goes before the trait's, if its bound holds.
        #[allow(dead_code, reason = "only one of the two methods is called")]
        mod probe {
            pub struct Probe<T>(std::marker::PhantomData<T>);
            pub fn of<T>(_value: T) -> Probe<T> {
                Probe(std::marker::PhantomData)
            }
            pub trait Otherwise {
                fn holds(&self) -> bool {
                    false
                }
            }
            impl<T> Otherwise for Probe<T> {}
        }
        #[allow(unused_imports, reason = "used where the bound does not hold")]
        use probe::Otherwise as _;
        #[allow(dead_code, reason = "as above")]
        impl<T: $($bound)+> probe::Probe<T> {
            fn holds(&self) -> bool {
                true
            }
        }
        probe::of($value).holds()
    }};
}
pub(crate) use implements;

/// Exceptions of Python that the library has no use for.
macro_rules! exceptions {
    ($($name:ident $format:literal)*) => {
        $(
            #[derive(Clone, Debug, thiserror::Error)]
            #[error($format)]
            pub struct $name(String);

            impl $name {
                pub fn new(message: impl Into<String>) -> Self {
                    Self(message.into())
                }
            }
        )*
    };
}

exceptions! {
    ConnectionError "{0}"
    KeyError "'{0}'"
    LookupError "{0}"
    OSError "{0}"
}

/// What [`trace!`] calls.
pub fn print(text: Arguments<'_>) {
    let text = text.to_string().replace('\n', "\\n");
    let line = format!("[t={:.3}] {text}", now());
    LINES.with_borrow_mut(|lines| lines.push(line.trim_end().to_owned()));
}

fn time() -> Duration {
    let running = get_running_loop().ok();
    running.as_ref().inspect(|event_loop| remember(event_loop));
    let event_loop = running.or_else(|| LAST_LOOP.with_borrow(Clone::clone));
    event_loop.map_or(CLOCK.get(), |event_loop| event_loop.time().max(CLOCK.get()))
}

/// Virtual seconds since the start.
pub fn now() -> f64 {
    time().as_secs_f64()
}

/// A blocking sleep: moves the clock while nothing else runs.
pub fn block(duration: Duration) {
    CLOCK.set(time() + duration);
    let event_loop = get_running_loop().ok().or_else(|| LAST_LOOP.with_borrow(Clone::clone));
    if let Some(event_loop) = event_loop {
        event_loop.advance_time(duration).expect("the clock of a scenario is virtual");
    }
}

fn remember(event_loop: &EventLoop) {
    LAST_LOOP.set(Some(event_loop.clone()));
}

fn builder() -> LoopBuilder {
    LoopBuilder::new().virtual_clock_from(time()).sample_every(SAMPLE_EVERY.get())
}

/// `EventLoop::new()` on the clock of the scenario.
pub fn new_event_loop() -> Result<EventLoop> {
    let event_loop = builder().build()?;
    remember(&event_loop);
    Ok(event_loop)
}

/// `Runner::new()` on the clock of the scenario.
pub fn new_runner() -> Result<Runner> {
    let mut runner = Runner::with(RunBuilder::new().event_loop(builder()));
    remember(&runner.get_loop()?);
    Ok(runner)
}

/// `coro_core::run` on the clock of the scenario.
pub fn run<A: Awaitable>(main: A) -> Result<A::Output> {
    run_with(false, main)
}

/// As [`run`], in debug mode; `asyncio.run(main, debug=True)`.
pub fn run_debug<A: Awaitable>(main: A) -> Result<A::Output> {
    run_with(true, main)
}

fn run_with<A: Awaitable>(debug: bool, main: A) -> Result<A::Output> {
    if get_running_loop().is_ok() {
        return coro_core::run(main); // is refused
    }
    RunBuilder::new().event_loop(builder().debug(debug)).run(main)
}

/// `TypeName: message` of an exception, or `TypeName` alone, as CPython names it.
pub fn show(error: &Error) -> String {
    let system = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::raw_os_error);
    let message = match system {
        Some(number) => format!("[Errno {number}] {error}").replace(&format!(" (os error {number})"), ""),
        None => error.to_string(),
    };
    describe(python_kind(error), &message)
}

/// The class of what the system says, or the name of the type.
fn python_kind(error: &Error) -> &'static str {
    let Some(system) = error.downcast_ref::<std::io::Error>() else { return error.type_name() };
    match system.kind() {
        ErrorKind::BrokenPipe => "BrokenPipeError",
        ErrorKind::ConnectionRefused => "ConnectionRefusedError",
        ErrorKind::ConnectionReset => "ConnectionResetError",
        ErrorKind::NotFound => "FileNotFoundError",
        ErrorKind::PermissionDenied => "PermissionError",
        _ => "OSError",
    }
}

/// Bytes as Python prints them, if they are plain text.
pub fn bytes(bytes: &[u8]) -> String {
    format!("b'{}'", bytes.escape_ascii())
}

/// An exception, or `None`.
pub fn optional(error: Option<&Error>) -> String {
    error.map_or_else(|| "None".to_owned(), show)
}

/// What CPython calls a type.
pub fn python_name(name: &'static str) -> &'static str {
    TYPE_NAMES.iter().find(|(ours, _)| *ours == name).map_or(name, |(_, python)| python)
}

/// The name of the type of an exception, as CPython names it.
pub fn type_name_of(error: &Error) -> &'static str {
    python_name(python_kind(error))
}

/// The repr of an exception: its type and what it was made with.
pub fn repr(error: &Error) -> String {
    format!("{:?}", &**error).replacen(error.type_name(), type_name_of(error), 1).replace('"', "'")
}

/// The `args` of a cancellation: its message, if it has one.
pub fn args(error: &Error) -> String {
    let message = error.downcast_ref::<Cancelled>().and_then(Cancelled::message);
    message.map_or_else(|| "()".to_owned(), |message| format!("('{message}',)"))
}

/// What a step of a generator yielded; `None` if it has ended, as for `next(generator, None)`.
pub fn yielded<Y, R>(step: Result<GeneratorState<Y, R>>) -> Result<Option<Y>> {
    match step {
        Ok(GeneratorState::Yielded(value)) => Ok(Some(value)),
        Ok(GeneratorState::Returned(_)) => Ok(None),
        Err(error) if error.is::<StopIteration>() => Ok(None),
        Err(error) => Err(error),
    }
}

fn describe(type_name: &str, message: &str) -> String {
    let name = TYPE_NAMES.iter().find(|(ours, _)| *ours == type_name).map_or(type_name, |(_, python)| python);
    match message.is_empty() || SILENT.contains(&(type_name, message)) {
        true => name.to_owned(),
        false => format!("{name}: {message}"),
    }
}

/// The name of a type without its path and parameters.
fn type_name<T>() -> &'static str {
    let path = std::any::type_name::<T>();
    let path = path.split('<').next().unwrap_or(path);
    path.rsplit("::").next().unwrap_or(path)
}

/// The name of the type of a value, or of what a reference points to. A value is dropped.
pub fn type_of<T>(_value: T) -> &'static str {
    type_name::<T>()
}

/// The name of the type that a call of `function` gives. It is not called.
pub fn type_of_call<R>(_function: impl FnOnce() -> R) -> &'static str {
    type_name::<R>()
}

/// From which level on the library's log is printed; warnings and errors if nothing is said.
pub fn set_log_level(level: Level) {
    LOG_LEVEL.set(level);
}

/// What is done to the text of a log record before it is printed.
pub fn set_log_filter(filter: fn(String) -> String) {
    LOG_FILTER.set(filter);
}

/// Turns the reports of the library into lines of the trace.
struct Reports;

#[derive(Default)]
struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

impl Subscriber for Reports {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && metadata.target() == coro_core::REPORT_TARGET
    }

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut take = |name| fields.0.remove(name).unwrap_or_default();
        let (message, category) = (take("message"), take("category"));
        match category.as_str() {
            "" => {}
            "Unraisable" => return trace!("UNRAISABLE {message}"),
            category => return trace!("WARN {category}: {message}"),
        }
        let level = *event.metadata().level();
        if level > LOG_LEVEL.get() {
            return;
        }
        let level = if level == Level::WARN { "WARNING".to_owned() } else { level.to_string() };
        let mut text = LOG_FILTER.get()(message);
        let exception_type = take("exception_type");
        if !exception_type.is_empty() {
            text = format!("{text} | {}", describe(&exception_type, &take("exception")));
        }
        trace!("LOG {level} {text}");
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Runs a scenario on this thread and gives the lines that it printed.
pub fn lines_of(scenario: fn() -> Result<()>) -> Vec<String> {
    tracing::subscriber::with_default(Reports, || {
        if let Err(error) = scenario() {
            trace!("UNCAUGHT {}", show(&error));
        }
        let lines = LINES.take(); // what the end of the thread says is not part of the trace
        drop(LAST_LOOP.take());
        lines
    })
}

/// Where waits go wrong, an event is told in another round than CPython's, before or after what has nothing to do with it.
const DEPENDS_ON_THE_ROUND_OF_AN_EVENT: &[&str] =
    &["s1001_protocol_rounds", "s1021_datagram_endpoint", "s1041_where_reading_goes_on"];

/// Runs a scenario and compares its lines with the recorded ones.
///
/// # Panics
/// If a line differs.
pub fn check(name: &str, recorded: &str, scenario: fn() -> Result<()>) {
    check_sampled(1, name, recorded, scenario);
}

/// As [`check`], on loops that look at the clock and the poller only every so many rounds.
///
/// # Panics
/// If a line differs.
pub fn check_sampled(rounds: u32, name: &str, recorded: &str, scenario: fn() -> Result<()>) {
    // A fresh thread numbers its tasks from one; it bears the name that CPython gives to its first thread.
    let thread = std::thread::Builder::new().name("MainThread".to_owned());
    let lines = move || {
        SAMPLE_EVERY.set(rounds);
        lines_of(scenario)
    };
    let thread = thread.spawn(lines).expect("a thread can be made");
    match thread.join() {
        // It has come to its end.
        Ok(_) if cfg!(coro_poller = "faulty") && DEPENDS_ON_THE_ROUND_OF_AN_EVENT.contains(&name) => {}
        Ok(printed) => compare(name, recorded, &printed).unwrap_or_else(|report| panic!("{report}")),
        Err(payload) => std::panic::resume_unwind(payload),
    }
}

/// Compares line by line; the error shows both traces.
pub fn compare(name: &str, recorded: &str, printed: &[String]) -> std::result::Result<(), String> {
    let expected = expected(name, recorded)?;
    let printed: Vec<String> = printed.iter().map(|line| normalise(line)).collect();
    if expected == printed {
        return Ok(());
    }
    let mut report = format!("{name} does not print what CPython prints ('-' is CPython's, '+' ours):\n");
    for index in 0..expected.len().max(printed.len()) {
        let (expected, printed) = (expected.get(index), printed.get(index));
        let marked = match expected == printed {
            true => [(' ', expected), (' ', None)],
            false => [('-', expected), ('+', printed)],
        };
        for (mark, line) in marked {
            report.extend(line.map(|line| format!("{mark} {line}\n")));
        }
    }
    Err(report)
}

/// The recorded lines with the differences applied.
fn expected(name: &str, recorded: &str) -> std::result::Result<Vec<String>, String> {
    let mut unused: Vec<&Difference> = DIFFERENCES.iter().filter(|entry| entry.scenario == name).collect();
    let mut lines = Vec::new();
    for line in recorded.lines() {
        let (time, text) = line.split_once(' ').unwrap_or((line, ""));
        let entry = DIFFERENCES.iter().find(|entry| entry.scenario == name && entry.recorded == text);
        unused.retain(|other| entry.is_none_or(|entry| other.recorded != entry.recorded));
        match entry.map(|entry| entry.here) {
            Some(None) => {}
            Some(Some(here)) => lines.push(normalise(&format!("{time} {here}"))),
            None => lines.push(normalise(line)),
        }
    }
    match unused.first() {
        Some(entry) => {
            Err(format!("{name}: no line of the trace is {:?}: the table is wrong", entry.recorded))
        }
        None => Ok(lines),
    }
}

/// The names of the scenarios in the table of differences.
pub fn scenarios_with_differences() -> impl Iterator<Item = &'static str> {
    DIFFERENCES.iter().map(|entry| entry.scenario)
}

/// One spelling for what the two languages spell differently, whoever printed it.
///
/// Addresses and source positions are left out; texts are in single quotes; Rust's words become Python's.
fn normalise(line: &str) -> String {
    let line = without_addresses(&without_places(line)).replace('"', "'");
    let line = WORDS.iter().fold(line, |line, (ours, python)| replace_word(&line, ours, python));
    // Of the types, only where the text is a type's name or repr: `<class 'X'>`, `<X ...>`.
    TYPE_NAMES.iter().fold(line, |line, (ours, python)| {
        line.replace(&format!("<class '{ours}'>"), &format!("<class '{python}'>"))
            .replace(&format!("<{ours} "), &format!("<{python} "))
    })
}

/// `at src/file.rs:7` becomes `at FILE:LINE`.
fn without_places(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(index) = rest.find("at ") {
        let (head, tail) = rest.split_at(index + "at ".len());
        out.push_str(head);
        let end = tail.find(|c: char| c.is_whitespace() || "'\"<>".contains(c)).unwrap_or(tail.len());
        rest = match tail[..end].find(".rs:") {
            Some(dot) => {
                out.push_str("FILE:LINE");
                tail[dot + ".rs:".len()..].trim_start_matches(|c: char| c.is_ascii_digit() || c == ':')
            }
            None => tail,
        };
    }
    out + rest
}

/// `0x7f00…` becomes `0xADDR`.
fn without_addresses(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(index) = rest.find("0x") {
        let (head, tail) = rest.split_at(index + "0x".len());
        out.push_str(head);
        let after = tail.trim_start_matches(|c: char| c.is_ascii_hexdigit());
        rest = if tail.len() - after.len() >= 4 {
            out.push_str("ADDR");
            after
        } else {
            tail
        };
    }
    out + rest
}

/// Replaces `word` where no letter, digit or underscore stands next to it: the `()` of `f()` stays.
fn replace_word(text: &str, word: &str, with: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(index) = rest.find(word) {
        let (head, tail) = rest.split_at(index);
        let before = out.chars().chain(head.chars()).last();
        let after = tail[word.len()..].chars().next();
        let in_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        out.push_str(head);
        out.push_str(if in_word(before) || in_word(after) { word } else { with });
        rest = &tail[word.len()..];
    }
    out + rest
}
