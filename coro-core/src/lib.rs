//! Python's asyncio for Rust, on stackful coroutines.
//!
//! Concurrent code reads as plain sequential code: any function may await, borrow across an await, recurse, or be
//! called back from an iterator or a foreign library. There is no `async` colour, no `Pin`, no `Send` bound.
//!
//! ```
//! use coro_core::prelude::*;
//!
//! async_fn! {
//!     /// Boils one egg.
//!     async fn boil(egg: u32) -> u32 {
//!         await!(sleep(millis(20)));
//!         egg
//!     }
//!
//!     async fn cook() -> Vec<u32> {
//!         await!(gather((1..=4).map(boil))) // all at once
//!     }
//! }
//!
//! assert_eq!(coro_core::run(cook())?, [1, 2, 3, 4]);
//! # Ok::<(), Error>(())
//! ```
//!
//! Without the DSL it is the same thing: `sleep(d).co_await()?` in any function that a task runs. The [`prelude`] has
//! what most programs need.
//!
//! # Where what is
//!
//! | for | there is |
//! | --- | --- |
//! | running a program | [`run`], [`RunBuilder`], [`Runner`], the attribute [`main`]; [`test`](macro@test) for tests |
//! | writing functions that await | [`async_fn!`], the attribute [`stackful`], [`coroutine()`], [`Awaitable`], [`raise!`] |
//! | tasks and their results | [`create_task`], [`TaskBuilder`], [`Task`], [`Future`], [`OnceFuture`] |
//! | tasks that end with a block, and may borrow | [`TaskGroup`], [`TaskGroup::scope`] |
//! | waiting for several | [`gather`], [`race`], [`wait`], [`as_completed`], [`merge`] |
//! | time, limits, cancelling | [`sleep`], [`interval`], [`timeout`], [`wait_for`], [`CancelScope`], [`shield`], [`cleanup`] |
//! | tasks that share | [`Lock`], [`RwLock`], [`Semaphore`], [`Event`], [`Condition`], [`Barrier`], [`OnceCell`], [`Notify`] |
//! | tasks that tell each other | [`Queue`], [`PriorityQueue`], [`oneshot`], [`watch`], [`broadcast`] |
//! | generators | [`generator()`], [`Generator`], [`Yielder`] |
//! | asynchronous iterators and contexts | [`AsyncIterator`], [`Aiter`], [`AsyncContextManager`], [`AsyncExitStack`] |
//! | sockets and streams | [`net`], [`open_connection`], [`start_server`], [`Transport`], the module `tls`; [`dns`] for names |
//! | files, standard streams, processes, signals | [`fs`], [`stdio`], [`process`], [`signal`](mod@signal) |
//! | threads and cores | [`to_thread`], [`channel`], [`LoopHandle`], [`Workers`] |
//! | std futures, other crates | [`compat`]; every std future is an [`Awaitable`] |
//! | the loop, and the stacks | [`EventLoop`], [`LoopBuilder`], [`stack`] |
//! | errors | [`Error`], [`ErrorGroup`], [`Cancelled`], [`Elapsed`], [`Result`] |
//!
//! # How an item is described
//!
//! First what it does, and asyncio's name where that is another one. Then, where they apply: *Errors*, what it raises;
//! *Cancellation*, what is lost and what is kept when a cancellation comes while it waits; *Panics*; *Safety*. Then a
//! program, which the tests run.
//!
//! # Features
//!
//! | feature | what it adds | default |
//! | --- | --- | --- |
//! | `smol-timeout` | `compat::smol`: time limits as methods of std futures | yes |
//! | `hyper` | `compat::hyper`: what hyper 1 asks of a runtime | no |
//! | `tls` | the module `tls`: connections encrypted by rustls, with the cryptography that its configurations choose | no |
//! | `sanitizer` | AddressSanitizer is told of each switch of stacks; for nightly builds with `-Zsanitizer=address` | no |
//!
//! # Safety
//!
//! A task never changes threads: loops, tasks, futures and generators are not `Send`, so what a task holds across an
//! await needs not to be. What is suspended and could be forgotten owns what it uses; what borrows runs in a frame that
//! cannot be left before its end. Each stack has a guard page where the system can make one, and an overflow is reported
//! with the task's name. Nothing is suspended while a thread unwinds. The code with `unsafe` is in few files, and each
//! block states why it is sound.
//!
//! One hazard cannot be closed by a library of this kind: a thread-local that some code sets, and puts back last in,
//! first out, such as that of `scoped-tls`. Held across an await it meets other tasks, and dangles if it holds a pointer
//! to a frame. [`no_suspend`] turns an await in there into an error.
//!
//! # Where asyncio's names are
//!
//! | asyncio | here |
//! | --- | --- |
//! | `run`, `Runner` | [`run`], [`Runner`], [`RunBuilder`] |
//! | `create_task`, `Task`, `current_task`, `all_tasks` | [`create_task`], [`Task`], [`current_task`], [`all_tasks`] |
//! | `Future`, `ensure_future` | [`Future`], [`ensure_future`] |
//! | `sleep`, `gather`, `wait`, `wait_for`, `shield` | [`sleep`], [`gather`], [`wait`], [`wait_for`], [`shield`] |
//! | `timeout`, `timeout_at`, `Timeout` | [`timeout`], [`timeout_at`], [`Timeout`] |
//! | `TaskGroup` | [`TaskGroup`], with [`TaskGroup::scope`] for tasks that borrow |
//! | `Lock`, `Event`, `Semaphore`, `BoundedSemaphore` | [`Lock`], [`Event`], [`Semaphore`], [`BoundedSemaphore`] |
//! | `Condition`, `Barrier` | [`Condition`], [`Barrier`] |
//! | `Queue`, `LifoQueue`, `PriorityQueue` | [`Queue`], [`LifoQueue`], [`PriorityQueue`] |
//! | `as_completed` | [`as_completed`] |
//! | `loop.add_reader` and its like | [`EventLoop::add_reader`] |
//! | `loop.sock_recv` and its like, `loop.sendfile` | the methods of the sockets in [`net`], [`net::sendfile`] |
//! | `loop.add_signal_handler`, `signal` | [`EventLoop::add_signal_handler`], [`signal`](mod@signal) |
//! | `create_subprocess_exec`, `create_subprocess_shell` | [`create_subprocess_exec`], [`create_subprocess_shell`], [`process`] |
//! | `contextlib.AsyncExitStack`, `aclosing` | [`AsyncExitStack`], [`aclosing`] |
//! | `to_thread`, `run_coroutine_threadsafe` | [`to_thread`], [`LoopHandle::run_coroutine_threadsafe`] |
//! | `wrap_future` | [`wrap_future`] |
//! | `loop.getaddrinfo`, `loop.getnameinfo` | [`EventLoop::getaddrinfo`], [`EventLoop::getnameinfo`], [`dns`] |
//! | `open_connection`, `start_server`, `Server` | [`open_connection`], [`start_server`], [`Server`] |
//! | `StreamReader`, `StreamWriter` | [`StreamReader`], [`StreamWriter`] |
//! | `SSLContext`, `start_tls`, `ssl=` | the module `tls`, with the feature `tls`; [`Transport`]s over rustls |
//! | `Transport`, `Protocol`, `DatagramProtocol` | [`Transport`], [`Protocol`], [`DatagramProtocol`] |
//! | `loop.create_connection` and its like | [`EventLoop::create_connection`], [`EventLoop::create_server`] |
//! | `get_running_loop`, the loop's methods | [`get_running_loop`], [`EventLoop`] |
//! | `eager_task_factory`, `loop.set_task_factory` | [`eager_task_factory`], [`EventLoop::set_task_factory`] |
//! | `concurrent.futures.Executor` | [`Executor`] |
//! | generators, `send`, `throw`, `close` | [`Generator`], [`SharedGenerator`] |
//! | `__await__`, coroutine objects | [`Awaitable`], [`Coroutine`], [`SharedCoroutine`] |
//! | `__anext__`, async generators | [`AsyncIterator`], [`AsyncGenerator`], [`SharedAsyncGenerator`] |
//! | asynchronous comprehensions | [`Aiter`] |
//! | `__aenter__`, `asynccontextmanager` | [`AsyncContextManager`], [`context_manager`] |
//! | `isawaitable`, `isfuture`, `iscoroutine` | [`isawaitable!`], [`isfuture!`], [`iscoroutine!`] |
//! | `print_call_graph`, `capture_call_graph` | [`print_call_graph`], [`capture_call_graph`] |
//! | `Task.get_stack`, `Task.print_stack` | [`Task::get_stack`], [`Task::print_stack`] |
//! | `contextvars` | [`ContextVar`], [`Context`] |
//! | `CancelledError`, `TimeoutError`, `ExceptionGroup` | [`Cancelled`], [`Elapsed`], [`ErrorGroup`] |
//! | `KeyboardInterrupt`, `SystemExit` | [`KeyboardInterrupt`], [`SystemExit`] |
//!
//! What trio and tokio have and asyncio lacks:
//!
//! | trio, tokio | here |
//! | --- | --- |
//! | `RwLock`, `Notify`, `OnceCell` | [`RwLock`], [`Notify`], [`OnceCell`] |
//! | `watch`, `broadcast`, `oneshot` | [`watch`], [`broadcast`], [`oneshot`], between the tasks of one loop |
//! | `mpsc` | [`channel`], between threads |
//! | threads that share the connections of a server | [`Workers`]: a loop for each core |
//! | `CapacityLimiter` | [`CapacityLimiter`] |
//! | `CancelScope`, `move_on_after`, `fail_after` | [`CancelScope`], [`move_on_after`], [`fail_after`] |
//! | `nursery.start()` | [`TaskGroup::start`], [`Scope::start`] |

#![cfg_attr(docsrs, feature(doc_cfg))] // docs.rs builds by nightly, and shows what needs which feature or system

extern crate self as coro_core;

#[doc(hidden)]
#[allow(missing_docs)]
#[path = "private.rs"]
pub mod __private;
mod async_context;
mod async_iter;
mod call_graph;
mod cancel_scope;
pub mod channel;
mod clock;
mod combinators;
pub mod compat;
mod context;
mod coroutine;
mod definition;
pub mod dns;
mod error;
mod event_loop;
mod events;
mod exit_stack;
mod fiber;
pub mod fs;
mod future;
mod generator;
mod in_place;
mod io;
pub mod net;
mod prefetch;
#[cfg(unix)]
pub mod process;
mod queue;
mod reactor;
#[allow(missing_docs)]
mod reflect;
mod report;
mod runner;
pub mod signal;
pub mod stack;
pub mod stdio;
mod stream;
mod sync;
mod task;
mod task_group;
mod thread;
mod timer_queue;
#[cfg(feature = "tls")]
pub mod tls;
mod transport;
mod unwind;
mod waker;
mod workers;

pub use async_context::{AsyncContextManager, ContextManager, context_manager};
pub use async_iter::{
    Aiter, AsyncGenerator, AsyncIterator, AsyncLent, Peekable, SharedAsyncGenerator, SuspendingIter, aiter,
    anext, anext_or, async_generator,
};
pub use call_graph::{
    FrameCallGraphEntry, FutureCallGraph, TaskStack, capture_call_graph, format_call_graph,
    future_add_to_awaited_by, future_discard_from_awaited_by, print_call_graph,
};
pub use cancel_scope::{CancelScope, fail_after, fail_at, move_on_after, move_on_at};
pub use combinators::{
    AsCompleted, AsFuture, Gathered, Interval, IntoGather, Iterated, NextCompleted, Race, ReturnWhen, Sleep,
    SleepThen, Timeout, Wait, WaitFor, as_completed, gather, gather_return_exceptions, interval, merge,
    millis, race, secs, shield, sleep, timeout, timeout_at, wait, wait_for,
};
pub use compat::AsStdFuture;
pub use context::{Context, ContextVar, Token};
pub use coro_macros::{async_fn, main, stackful, test};
pub use coroutine::{
    Awaitable, Body, BoxCoroutine, Coroutine, LocalBoxCoroutine, SharedCoroutine, Step, coroutine,
    no_suspend, suspend,
};
pub use definition::Definition;
pub use error::{
    BrokenBarrier, Cancelled, Elapsed, Error, ErrorGroup, GeneratorExit, IncompleteRead, InvalidState,
    KeyboardInterrupt, LimitOverrun, Panicked, QueueEmpty, QueueFull, QueueShutDown, Result, RuntimeError,
    StopAsyncIteration, StopIteration, SystemExit, TypeError, ValueError,
};
pub use event_loop::{Deadlock, LoopBuilder, LoopHandle, ThreadsafeFuture, wrap_future};
pub use events::{
    AnyFuture, EventLoop, ExceptionContext, ExceptionHandler, Executor, Handle, TimerHandle, get_running_loop,
};
pub use exit_stack::{AsyncExitStack, aclosing};
pub use fiber::{Awaited, Sent};
pub use future::{CallbackId, Future, OnceFuture};
pub use generator::{
    FrameState, Generator, GeneratorState, Lent, SharedGenerator, YieldFrom, Yielder, generator,
};
#[cfg(unix)]
pub use process::{create_subprocess_exec, create_subprocess_shell};
pub use queue::{BaseQueue, Fifo, Get, Lifo, LifoQueue, Priority, PriorityQueue, Put, Queue, Storage};
pub use report::TARGET as REPORT_TARGET;
pub use runner::{RunBuilder, Runner, run, run_nested};
pub use stream::{
    OpenConnection, StartServer, StdReader, StreamReader, StreamReaderProtocol, StreamWriter,
    open_connection, start_server,
};
#[cfg(unix)]
pub use stream::{open_unix_connection, start_unix_server};
pub use sync::{
    Acquire, Barrier, BarrierWait, BoundedSemaphore, Condition, ConditionGuard, ConditionLocking,
    ConditionWait, ConditionWaitFor, Event, EventWait, Lock, LockGuard, Locking, Permit, Semaphore,
};
pub use sync::{
    Borrower, CapacityAcquire, CapacityLimiter, CapacityStatistics, CapacityToken, Notified, Notify,
    OnceCell, OnceCellInit, RwLock, RwLockReadGuard, RwLockReading, RwLockWriteGuard, RwLockWriting,
    broadcast, oneshot, watch,
};
pub use task::{
    AnyTask, CoroInfo, EnsuredFuture, Task, TaskBuilder, TaskFactory, all_tasks, cleanup, create_task,
    current_task, eager_task_factory, ensure_future,
};
pub use task_group::{Scope, ScopedTask, Started, Starting, TaskGroup};
pub use thread::{ToThread, to_thread};
#[cfg(unix)]
pub use transport::UnixPath;
pub use transport::{
    ConnectTarget, CreateConnection, CreateDatagramEndpoint, CreateServer, DatagramProtocol,
    DatagramTransport, Protocol, ServeTarget, Server, Transport, TransportSocket,
};
pub use workers::{Serving, Workers};

/// What most programs need: `use coro_core::prelude::*;`.
///
/// It does not export [`Future`], since std's prelude has a trait of that name.
///
/// ```
/// use coro_core::prelude::*;
/// let eggs = coro_core::run(coroutine(|| gather((1..=2).map(|n| coroutine(move || Ok(n)))).co_await()))?;
/// assert_eq!(eggs, [1, 2]);
/// # Ok::<(), Error>(())
/// ```
pub mod prelude {
    pub use crate::{
        AsyncContextManager, AsyncIterator, Awaitable, BoxCoroutine, Error, ErrorGroup, Event, Generator,
        GeneratorExit, GeneratorState, Lock, LockGuard, Result, Semaphore, StreamReader, StreamWriter, Task,
        TaskGroup, Timeout, async_fn, cleanup, context_manager, coroutine::coroutine, create_task, gather,
        gather_return_exceptions, get_running_loop, millis, open_connection, raise, secs, shield, sleep,
        stackful, start_server, timeout, to_thread, wait_for,
    };
    pub use std::time::Duration;
}
