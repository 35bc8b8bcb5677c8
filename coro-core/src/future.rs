//! Futures: one-shot result slots that many can wait for, with callbacks.
//!
//! Floor 4. [`FutureState`] is the slot; tasks embed one too, so that a task is a future of its result.
//!
//! 1. A future settles once: with a value, an exception or a cancellation. Later attempts are `InvalidState`.
//! 2. Settling schedules waiters and callbacks through the ready queue, in the order in which they were added.
//! 3. A value can be cloned by many, or taken by one; who comes after the one gets `InvalidState`.
//! 4. An exception that nobody looked at is reported when the future is dropped.

use std::cell::{Cell, RefCell};
use std::fmt::{self, Debug};
use std::ops::Deref;
use std::panic::Location;
use std::rc::Rc;

use smallvec::SmallVec;

use crate::context::Context;
use crate::coroutine::{Awaitable, Ensured, Existing, suspend};
use crate::error::{Cancelled, Error, InvalidState, Result, RuntimeError, StopIteration, TypeError};
use crate::events::{AnyFuture, EventLoop, ExceptionContext, LoopCore, Runnable, Waitable, running_core};
use crate::fiber::Awaited;

enum Slot<T> {
    Pending,
    Value(T),
    Taken,
    Failed(Error),
    Cancelled(Option<String>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Status {
    Pending,
    Finished,
    Failed,
    Cancelled,
}

enum Callback<T> {
    Waiter(Rc<dyn Runnable>),
    Call(DoneCall<T>),
}

struct DoneCall<T> {
    id: u64,
    call: Box<dyn FnOnce(Future<T>)>,
    context: Context,
    name: &'static str,
    location: &'static Location<'static>,
}

/// The result slot of a future or task.
pub(crate) struct FutureState<T> {
    status: Cell<Status>,
    slot: RefCell<Slot<T>>,
    callbacks: RefCell<SmallVec<[Callback<T>; 1]>>,
    next_callback: Cell<u64>,
    core: Option<Rc<LoopCore>>,
    /// Set while there is an exception that nobody has looked at.
    unseen: Cell<bool>,
}

impl<T> FutureState<T> {
    pub(crate) fn pending(core: Rc<LoopCore>) -> Self {
        Self::with(Status::Pending, Slot::Pending, Some(core))
    }

    /// The state of a future that failed before it began. It is not reported: the caller holds it.
    pub(crate) fn failed(error: Error, core: Option<Rc<LoopCore>>) -> Self {
        Self::with(Status::Failed, Slot::Failed(error), core)
    }

    fn with(status: Status, slot: Slot<T>, core: Option<Rc<LoopCore>>) -> Self {
        Self {
            status: Cell::new(status),
            slot: RefCell::new(slot),
            callbacks: RefCell::default(),
            next_callback: Cell::new(0),
            core,
            unseen: Cell::new(false),
        }
    }

    pub(crate) fn core(&self) -> Option<&Rc<LoopCore>> {
        self.core.as_ref()
    }

    pub(crate) fn is_done(&self) -> bool {
        self.status.get() != Status::Pending
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.status.get() == Status::Cancelled
    }

    pub(crate) fn failure(&self) -> Option<Error> {
        match self.status.get() {
            Status::Pending | Status::Finished => None,
            Status::Failed | Status::Cancelled => match &*self.slot.borrow() {
                Slot::Failed(error) => Some(error.clone()),
                Slot::Cancelled(message) => Some(cancelled_error(message.clone())),
                _ => None,
            },
        }
    }

    pub(crate) fn retrieve(&self) -> Option<Error> {
        self.unseen.set(false);
        self.failure()
    }

    /// Takes out everything that was to be told when it is done, to be dropped.
    pub(crate) fn forget_callbacks(&self) -> impl Sized + use<T> {
        self.callbacks.take()
    }

    pub(crate) fn add_waiter(&self, waiter: Rc<dyn Runnable>) {
        match &self.core {
            _ if !self.is_done() => self.callbacks.borrow_mut().push(Callback::Waiter(waiter)),
            Some(core) => core.push(waiter),
            None => {}
        }
    }

    pub(crate) fn remove_waiter(&self, waiter: &Rc<dyn Runnable>) {
        let mut callbacks = self.callbacks.borrow_mut();
        let is_it =
            |callback: &Callback<T>| matches!(callback, Callback::Waiter(other) if Rc::ptr_eq(other, waiter));
        let found = callbacks.iter().position(is_it);
        let removed = found.map(|index| callbacks.remove(index));
        drop(callbacks);
        drop(removed);
    }

    pub(crate) fn fmt_status(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.status.get() {
            Status::Pending => "pending",
            Status::Finished | Status::Failed => "finished",
            Status::Cancelled => "cancelled",
        })
    }

    /// The end of the `Debug` output: the exception, then the callbacks.
    pub(crate) fn fmt_tail(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let (Status::Failed, Some(error)) = (self.status.get(), self.failure()) {
            f.write_str(" exception=")?;
            error.fmt_repr(f)?;
        }
        let names: Vec<String> = self.callbacks.borrow().iter().map(Callback::name).collect();
        match &*names {
            [] => Ok(()),
            [first, more @ .., last] if !more.is_empty() => {
                write!(f, " cb=[{first}, <{} more>, {last}]", more.len())
            }
            few => write!(f, " cb=[{}]", few.join(", ")),
        }
    }
}

impl<T> Callback<T> {
    fn name(&self) -> String {
        match self {
            Self::Waiter(waiter) => waiter.callback_name(),
            Self::Call(DoneCall { name, location, .. }) => {
                format!("{name}() at {}:{}", location.file(), location.line())
            }
        }
    }
}

pub(crate) fn cancelled_error(message: Option<String>) -> Error {
    Error::new(message.map_or_else(Cancelled::new, Cancelled::with_message))
}

/// What plain futures and tasks have in common, with the type of the result.
pub(crate) trait FutureObject<T>: Waitable {
    fn state(&self) -> &FutureState<T>;

    /// Up to the status: `Future pending`, `Task cancelling name='Task-1' …`.
    fn fmt_head(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;

    fn is_task(&self) -> bool {
        false
    }
}

/// A one-shot result that many can await; `asyncio.Future`. A clone is another handle on the same future.
///
/// Awaiting it clones the result; [`once`](Self::once) gives an awaitable that takes it.
///
/// # Cancellation
/// Cancelling the task that awaits it cancels the future as well, as in asyncio; a [`shield`](crate::shield)
/// prevents that. Others who await it find it cancelled.
///
/// ```
/// use coro_core::{Future, prelude::*};
///
/// coro_core::run(coroutine(|| {
///     let future = Future::new();
///     get_running_loop()?.call_later(secs(1), { let future = future.clone(); move || { future.set_result("done").ok(); } });
///     assert_eq!((&future).co_await()?, "done");
///     assert_eq!(format!("{future:?}"), r#"<Future finished result="done">"#);
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
///
/// A future stays on its thread:
/// ```compile_fail
/// let future = coro_core::Future::<u32>::new();
/// std::thread::spawn(move || future.set_result(1));
/// ```
pub struct Future<T> {
    pub(crate) inner: Rc<dyn FutureObject<T>>,
}

impl<T> Clone for Future<T> {
    fn clone(&self) -> Self {
        Self { inner: Rc::clone(&self.inner) }
    }
}

type CancelHook = Rc<dyn Fn(Option<String>) -> bool>;

/// A future that is no task.
struct Plain<T> {
    state: FutureState<T>,
    /// What `cancel` does in place of settling it, for a future that stands for others.
    cancel_hook: Option<CancelHook>,
}

impl<T> Plain<T> {
    fn new(state: FutureState<T>) -> Self {
        Self { state, cancel_hook: None }
    }
}

impl<T: 'static> Waitable for Plain<T> {
    fn is_done(&self) -> bool {
        self.state.is_done()
    }

    fn is_cancelled(&self) -> bool {
        self.state.is_cancelled()
    }

    fn cancel(self: Rc<Self>, message: Option<String>) -> bool {
        match &self.cancel_hook {
            Some(_) if self.state.is_done() => false,
            Some(hook) => hook(message),
            None => Future { inner: self as Rc<dyn FutureObject<T>> }.settle_cancelled(message),
        }
    }

    fn retrieve(&self) -> Option<Error> {
        self.state.retrieve()
    }

    fn add_waiter(self: Rc<Self>, waiter: Rc<dyn Runnable>) {
        self.state.add_waiter(waiter);
    }

    fn remove_waiter(&self, waiter: &Rc<dyn Runnable>) {
        self.state.remove_waiter(waiter);
    }

    fn event_loop(&self) -> Option<Rc<LoopCore>> {
        self.state.core().cloned()
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<")?;
        self.fmt_head(f)?;
        self.state.fmt_tail(f)?;
        f.write_str(">")
    }

    fn task_name(&self) -> Option<String> {
        None
    }
}

impl<T: 'static> FutureObject<T> for Plain<T> {
    fn state(&self) -> &FutureState<T> {
        &self.state
    }

    fn fmt_head(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Future ")?;
        self.state.fmt_status(f)
    }
}

impl<T> Drop for Plain<T> {
    fn drop(&mut self) {
        if self.state.unseen.get() {
            self.state.report_unseen("Future exception was never retrieved", "<Future finished");
        }
    }
}

impl<T> FutureState<T> {
    /// Tells the exception handler of an exception that nobody looked at.
    pub(crate) fn report_unseen(&self, message: &str, head: &str) {
        struct Tail<'a, T>(&'a str, &'a FutureState<T>);
        impl<T> fmt::Display for Tail<'_, T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.0)?;
                self.1.fmt_tail(f)?;
                f.write_str(">")
            }
        }
        let context = ExceptionContext {
            message: message.to_owned(),
            exception: self.retrieve(),
            future: Some(Tail(head, self).to_string()),
            handle: None,
        };
        match &self.core {
            Some(core) => core.call_exception_handler(&context),
            None => crate::events::default_exception_handler(&context),
        }
    }

    pub(crate) fn has_unseen(&self) -> bool {
        self.unseen.get()
    }
}

/// The timer of a `sleep`: settles its future, unless it was cancelled.
impl Runnable for Plain<()> {
    fn run(self: Rc<Self>) {
        let _ = Future { inner: self as Rc<dyn FutureObject<()>> }.settle(Status::Finished, Slot::Value(()));
    }

    fn is_cancelled(&self) -> bool {
        self.state.is_done()
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Waitable::describe(self, f)
    }
}

/// A future that settles by itself at `when`.
pub(crate) fn timer_future(core: &Rc<LoopCore>, when: std::time::Duration) -> Future<()> {
    let inner = Rc::new(Plain::new(FutureState::pending(Rc::clone(core))));
    core.push_timer(when, Rc::clone(&inner) as Rc<dyn Runnable>);
    Future { inner }
}

impl<T: 'static> Future<T> {
    /// A pending future of the running loop; `loop.create_future()`. Without one, it has failed with "no
    /// running event loop".
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let future = coro_core::Future::<u32>::new();
    /// get_running_loop()?.call_soon({ let future = future.clone(); move || future.set_result(6).unwrap() });
    /// assert_eq!(future.co_await()?, 6);
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    #[expect(clippy::new_without_default, reason = "a future belongs to the running loop")]
    pub fn new() -> Self {
        match running_core() {
            Ok(core) => Self::on(core),
            Err(error) => Self::failed(error),
        }
    }

    pub(crate) fn on(core: Rc<LoopCore>) -> Self {
        Self { inner: Rc::new(Plain::new(FutureState::pending(core))) }
    }

    /// A future for which `cancel` calls `hook` instead.
    pub(crate) fn with_cancel_hook(
        core: Rc<LoopCore>,
        hook: impl Fn(Option<String>) -> bool + 'static,
    ) -> Self {
        let plain = Plain { state: FutureState::pending(core), cancel_hook: Some(Rc::new(hook)) };
        Self { inner: Rc::new(plain) }
    }

    pub(crate) fn failed(error: Error) -> Self {
        Self { inner: Rc::new(Plain::new(FutureState::failed(error, running_core().ok()))) }
    }
}

impl<T: 'static> Future<T> {
    fn state(&self) -> &FutureState<T> {
        self.inner.state()
    }

    /// This future without the type of its result.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let (number, text) = (coro_core::Future::<u32>::new(), coro_core::Future::<String>::new());
    /// let both = [number.any(), text.any()]; // of one type
    /// assert!(both.iter().all(|future| !future.done()));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn any(&self) -> AnyFuture {
        AnyFuture(Rc::clone(&self.inner) as Rc<dyn Waitable>)
    }

    /// Whether it has a result, an exception, or was cancelled.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let future = coro_core::Future::<u32>::new();
    /// assert!(!future.done());
    /// future.set_result(6)?;
    /// assert!(future.done());
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn done(&self) -> bool {
        self.state().is_done()
    }

    /// Whether it was cancelled.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let future = coro_core::Future::<u32>::new();
    /// future.cancel();
    /// assert!(future.cancelled());
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn cancelled(&self) -> bool {
        self.state().is_cancelled()
    }

    /// Whether both handles are on the same future; Python's `is`.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let future = coro_core::Future::<u32>::new();
    /// assert!(future.same(&future.clone()) && !future.same(&coro_core::Future::new()));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn same(&self, other: &Future<T>) -> bool {
        Rc::ptr_eq(&self.inner, &other.inner)
    }

    /// The loop it belongs to; `None` if it was made without one.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let future = coro_core::Future::<u32>::new();
    /// assert!(future.get_loop().unwrap().same(&get_running_loop()?));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn get_loop(&self) -> Option<EventLoop> {
        self.state().core().map(LoopCore::handle)
    }

    /// Gives it its result. Those who wait go on in the next round.
    ///
    /// # Errors
    /// [`InvalidState`] "invalid state" if it is done; [`RuntimeError`] if it is a task, whose result comes from
    /// its coroutine.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let future = coro_core::Future::new();
    /// future.set_result(6)?;
    /// assert_eq!((&future).co_await()?, 6);
    /// assert!(future.set_result(7).unwrap_err().is::<coro_core::InvalidState>());
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn set_result(&self, value: T) -> Result<()> {
        self.check_no_task("set_result")?;
        self.settle(Status::Finished, Slot::Value(value))
    }

    /// Makes it fail with `error`.
    ///
    /// # Errors
    /// As [`set_result`](Self::set_result); and [`TypeError`](crate::TypeError) for a `StopIteration`, which would end the generator
    /// that awaits it.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let future = coro_core::Future::<u32>::new();
    /// future.set_exception(coro_core::ValueError::new("-1 eggs"))?;
    /// assert!(future.co_await().unwrap_err().is::<coro_core::ValueError>());
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn set_exception(&self, error: impl Into<Error>) -> Result<()> {
        self.check_no_task("set_exception")?;
        let error = error.into();
        if error.is::<StopIteration>() {
            let message = "StopIteration interacts badly with generators and cannot be raised into a Future";
            return Err(TypeError::new(message).into());
        }
        self.settle_failed(error)
    }

    fn check_no_task(&self, operation: &str) -> Result<()> {
        match self.inner.is_task() {
            true => Err(RuntimeError::new(format!("Task does not support {operation} operation")).into()),
            false => Ok(()),
        }
    }

    pub(crate) fn settle_value(&self, value: T) -> Result<()> {
        self.settle(Status::Finished, Slot::Value(value))
    }

    pub(crate) fn settle_failed(&self, error: Error) -> Result<()> {
        self.settle(Status::Failed, Slot::Failed(error))?;
        self.state().unseen.set(true);
        Ok(())
    }

    /// Cancels it as a future is cancelled: at once. False if it was done.
    pub(crate) fn settle_cancelled(&self, message: Option<String>) -> bool {
        self.settle(Status::Cancelled, Slot::Cancelled(message)).is_ok()
    }

    fn settle(&self, status: Status, slot: Slot<T>) -> Result<()> {
        let state = self.state();
        if state.is_done() {
            return Err(InvalidState::new("invalid state").into());
        }
        let _ = state.slot.replace(slot);
        state.status.set(status);
        let callbacks = state.callbacks.take();
        for callback in callbacks {
            self.schedule(callback);
        }
        Ok(())
    }

    fn schedule(&self, callback: Callback<T>) {
        let Some(core) = self.state().core() else { return };
        match callback {
            Callback::Waiter(waiter) => core.push(waiter),
            Callback::Call(DoneCall { call, context, location, .. }) => {
                let future = self.clone();
                schedule_call(core, context, location, move || call(future));
            }
        }
    }

    /// The exception it ended with, or `None` if it has a result.
    ///
    /// # Errors
    /// [`InvalidState`] "Exception is not set." while it is pending; [`Cancelled`] if it was cancelled.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let future = coro_core::Future::<u32>::new();
    /// assert!(future.exception().is_err()); // nobody knows yet
    /// future.set_exception(Error::msg("burnt"))?;
    /// assert_eq!(future.exception()?.unwrap().to_string(), "burnt");
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn exception(&self) -> Result<Option<Error>> {
        match self.state().retrieve() {
            _ if !self.done() => Err(InvalidState::new("Exception is not set.").into()),
            Some(error) if self.cancelled() => Err(error),
            outcome => Ok(outcome),
        }
    }

    /// The result, cloned, without waiting for it.
    ///
    /// # Errors
    /// The exception; [`Cancelled`]; [`InvalidState`] while it is pending, or if the result was taken.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let task = create_task(coroutine(|| { sleep(secs(1)).co_await()?; Ok(6) }));
    /// assert_eq!(task.result().unwrap_err().to_string(), "Result is not set.");
    /// sleep(secs(2)).co_await()?;
    /// assert_eq!(task.result()?, 6);
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn result(&self) -> Result<T>
    where
        T: Clone,
    {
        if let Some(error) = self.state().retrieve() {
            return Err(error);
        }
        match &*self.state().slot.borrow() {
            Slot::Value(value) => Ok(value.clone()),
            Slot::Taken => Err(InvalidState::new("the result was taken").into()),
            _ => Err(InvalidState::new("Result is not set.").into()),
        }
    }

    /// The result itself, without waiting for it: later calls find that it was taken.
    ///
    /// # Errors
    /// As [`result`](Self::result).
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let future = coro_core::Future::new();
    /// future.set_result(vec![1, 2])?;
    /// assert_eq!(future.take_result()?, [1, 2]);
    /// assert_eq!(future.take_result().unwrap_err().to_string(), "the result was taken");
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn take_result(&self) -> Result<T> {
        let state = self.state();
        if let Some(error) = state.retrieve() {
            return Err(error);
        }
        if !state.is_done() {
            return Err(InvalidState::new("Result is not set.").into());
        }
        let Ok(mut slot) = state.slot.try_borrow_mut() else {
            return Err(InvalidState::new("the result is being cloned").into());
        };
        match std::mem::replace(&mut *slot, Slot::Taken) {
            Slot::Value(value) => Ok(value),
            _ => Err(InvalidState::new("the result was taken").into()),
        }
    }

    /// Waits until it is done, whatever comes of it.
    ///
    /// # Errors
    /// What is raised at this await: the exception of the future, or the cancellation of the one who waits.
    pub(crate) fn wait_done(&self) -> Result<()> {
        if self.done() {
            return Ok(());
        }
        suspend(Awaited::Future(self.any()))?;
        match self.done() {
            true => Ok(()),
            false => {
                Err(RuntimeError::new("the await of a future was resumed before the future was done").into())
            }
        }
    }

    /// An awaitable that takes the result, for results that cannot be cloned.
    ///
    /// # Errors
    /// When awaited: the exception; [`Cancelled`]; [`InvalidState`] if the result was taken by somebody else.
    ///
    /// # Cancellation
    /// As [`Future`]: it is cancelled as well.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// struct Egg; // is no `Clone`
    /// let future = coro_core::Future::new();
    /// future.set_result(Egg)?;
    /// let _egg: Egg = future.once().co_await()?;
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn once(&self) -> OnceFuture<T> {
        OnceFuture(self.clone())
    }

    /// Calls `callback` with this future when it is done: from the loop, in the next round.
    ///
    /// The number it gives is for [`remove_done_callback`](Self::remove_done_callback).
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let (said, heard) = std::sync::mpsc::channel();
    /// let future = coro_core::Future::new();
    /// future.add_done_callback(move |future| said.send(future.result().unwrap()).unwrap());
    /// future.set_result(6)?;
    /// assert!(heard.try_recv().is_err()); // in the next round
    /// sleep(Duration::ZERO).co_await()?;
    /// assert_eq!(heard.try_recv().unwrap(), 6);
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    #[track_caller]
    pub fn add_done_callback<F>(&self, callback: F) -> CallbackId
    where
        F: FnOnce(Future<T>) + 'static,
    {
        self.add_done_callback_in(&Context::current().copy(), callback)
    }

    /// As [`add_done_callback`](Self::add_done_callback), with `context` in force during the call;
    /// `context=context`.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// static USER: coro_core::ContextVar<&str> = coro_core::ContextVar::new("user");
    /// let context = coro_core::Context::new();
    /// let future = coro_core::Future::new();
    /// future.add_done_callback_in(&context, |_| { USER.set("ada"); });
    /// future.set_result(6)?;
    /// sleep(Duration::ZERO).co_await()?;
    /// assert_eq!(context.get(&USER), Some("ada"));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    #[track_caller]
    pub fn add_done_callback_in<F>(&self, context: &Context, callback: F) -> CallbackId
    where
        F: FnOnce(Future<T>) + 'static,
    {
        self.add_named_callback(context, callback_name::<F>(), callback)
    }

    #[track_caller]
    pub(crate) fn add_named_callback(
        &self,
        context: &Context,
        name: &'static str,
        callback: impl FnOnce(Future<T>) + 'static,
    ) -> CallbackId {
        let state = self.state();
        let id = state.next_callback.get();
        state.next_callback.set(id + 1);
        let call = Callback::Call(DoneCall {
            id,
            call: Box::new(callback),
            context: context.clone(),
            name,
            location: Location::caller(),
        });
        match state.is_done() {
            true => self.schedule(call),
            false => state.callbacks.borrow_mut().push(call),
        }
        CallbackId(id)
    }

    /// Takes back a callback that has not been scheduled yet. Gives how many that were: one or none.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let future = coro_core::Future::<u32>::new();
    /// let id = future.add_done_callback(|_| unreachable!());
    /// assert_eq!((future.remove_done_callback(id), future.remove_done_callback(id)), (1, 0));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn remove_done_callback(&self, id: CallbackId) -> usize {
        let mut callbacks = self.state().callbacks.borrow_mut();
        let found =
            callbacks.iter().position(|callback| matches!(callback, Callback::Call(call) if call.id == id.0));
        let removed = found.map(|index| callbacks.remove(index));
        drop(callbacks);
        usize::from(removed.is_some())
    }

    /// Asks it to end: a future is cancelled at once, a task at its next step. False if it was done.
    ///
    /// ```
    /// use coro_core::{Future, prelude::*};
    /// coro_core::run(coroutine(|| {
    ///     let future = Future::<u32>::new();
    ///     assert!(future.cancel() && future.cancelled() && !future.cancel());
    ///     Ok(())
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn cancel(&self) -> bool {
        Rc::clone(&self.inner).cancel(None)
    }

    /// As [`cancel`](Self::cancel), with a message for the [`Cancelled`]; `future.cancel(msg)`.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let future = coro_core::Future::<u32>::new();
    /// future.cancel_with("too late");
    /// assert_eq!(future.co_await().unwrap_err().to_string(), "too late");
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn cancel_with(&self, message: impl Into<String>) -> bool {
        Rc::clone(&self.inner).cancel(Some(message.into()))
    }
}

/// Runs a done callback from the loop, where nothing can suspend.
fn schedule_call(
    core: &Rc<LoopCore>,
    context: Context,
    location: &'static Location<'static>,
    call: impl FnOnce() + 'static,
) {
    core.push(crate::events::callback(core, context, location, call));
}

pub(crate) fn callback_name<F>() -> &'static str {
    let path = std::any::type_name::<F>();
    let path = path.split('<').next().unwrap_or(path).trim_end_matches("::{{closure}}");
    path.rsplit("::").next().unwrap_or(path)
}

/// What takes a done callback back: [`Future::remove_done_callback`].
///
/// ```
/// # use coro_core::prelude::*;
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// let future = coro_core::Future::<u32>::new();
/// let id: coro_core::CallbackId = future.add_done_callback(|_| unreachable!());
/// assert_eq!(future.remove_done_callback(id), 1);
/// # Ok(())
/// # })).unwrap();
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallbackId(u64);

impl<T: Debug + 'static> Debug for Future<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<")?;
        self.inner.fmt_head(f)?;
        if let Slot::Value(value) = &*self.state().slot.borrow() {
            write!(f, " result={value:?}")?;
        }
        self.state().fmt_tail(f)?;
        f.write_str(">")
    }
}

impl<T: Clone + 'static> Awaitable for Future<T> {
    type Output = T;

    fn co_await(self) -> Result<T> {
        (&self).co_await()
    }

    fn __ensure(self) -> Ensured<Self> {
        let future = self.any().0;
        Ensured::Existing(Existing { future, result: Box::new(move || self.result()) })
    }
}

impl<T: Clone + 'static> Awaitable for &Future<T> {
    type Output = T;

    fn co_await(self) -> Result<T> {
        self.wait_done()?;
        self.result()
    }

    fn __ensure(self) -> Ensured<Self> {
        let future = self.clone();
        Ensured::Existing(Existing { future: self.any().0, result: Box::new(move || future.result()) })
    }
}

/// A future whose one awaiter takes the result: what `gather`, `shield` and `run_in_executor` give.
///
/// It is a [`Future`] in all else. Dropping it does not stop what it waits for.
///
/// # Cancellation
/// As [`Future`]. What stands behind it is cancelled then, but for a [`shield`](crate::shield).
///
/// ```
/// use coro_core::prelude::*;
/// struct NotClone(u32);
/// coro_core::run(coroutine(|| {
///     let both = gather((coroutine(|| Ok(NotClone(1))), coroutine(|| Ok("two"))));
///     assert!(!both.done());
///     let (one, two) = both.co_await()?;
///     assert_eq!((one.0, two), (1, "two"));
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
pub struct OnceFuture<T>(pub(crate) Future<T>);

impl<T> Deref for OnceFuture<T> {
    type Target = Future<T>;

    fn deref(&self) -> &Future<T> {
        &self.0
    }
}

impl<T: Debug + 'static> Debug for OnceFuture<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: 'static> Awaitable for OnceFuture<T> {
    type Output = T;

    fn co_await(self) -> Result<T> {
        self.0.wait_done()?;
        self.0.take_result()
    }

    fn __ensure(self) -> Ensured<Self> {
        let future = self.any().0;
        Ensured::Existing(Existing { future, result: Box::new(move || self.0.take_result()) })
    }
}

impl<T: Clone + 'static> Awaitable for &OnceFuture<T> {
    type Output = T;

    fn co_await(self) -> Result<T> {
        (&self.0).co_await()
    }

    fn __ensure(self) -> Ensured<Self> {
        let future = self.0.clone();
        Ensured::Existing(Existing { future: self.any().0, result: Box::new(move || future.result()) })
    }
}
