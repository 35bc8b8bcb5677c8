//! One task: how it starts, takes a step, is woken, is cancelled and ends.
//!
//! Floor 5. The order of things is CPython's `Task.__step` and `Task.__wakeup`.
//!
//! 1. A task is in the ready queue at most once: when it is new, was woken, or yielded.
//! 2. What it waits for is in `waiting_for` from the moment it parks until its next step.
//! 3. `cancel` cancels what it waits for; if that is done already, or it waits for nothing, the next step raises.
//! 4. Its fiber is taken out while it runs: nothing of the task is borrowed across a switch.
#![allow(unsafe_code)] // makes the fiber; see `fiber`

use std::cell::RefCell;
use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::task::{Context as PollContext, Poll};

use super::control::{self, AnyTask, Control, Head, TaskObject};
use super::current::{enter_task, leave_task};
use super::registry;
use crate::coroutine::{Awaitable, Stackless, StdFuture};
use crate::definition::Origin;
use crate::error::{Cancelled, Error, Panicked, Result, RuntimeError};
use crate::events::{AnyFuture, LoopCore, Runnable, Waitable};
use crate::fiber::{Awaited, Describe, Driven, Fiber, Kind, Resumed, Sent, barrier};
use crate::future::{Future, FutureObject, FutureState, by_state};
use crate::prefetch::prefetch_around;
use crate::report;
use crate::waker::{WakeSlot, Woken};

type TaskFiber<T> = Fiber<Result<Sent>, Awaited, Result<T>>;

/// How far a task has come.
enum Progress<T, A> {
    /// Its first step has not come; it has no stack.
    New(A),
    /// A std future before its first poll.
    NewStackless(StdFuture<T>),
    Parked(TaskFiber<T>),
    /// A std future that was polled: it needs no stack.
    Polled(StdFuture<T>, WakeSlot),
    Ended,
}

/// What a step led to.
enum Outcome<T> {
    Parked(Awaited),
    /// Somebody will wake it, or there was nothing to do.
    Polled,
    Ended(Result<T>),
}

/// How a fiber has ended that did not suspend.
#[inline]
fn result_of<T>(ended: Resumed<Awaited, Result<T>>) -> Result<T> {
    match ended {
        Resumed::Returned(result) => result,
        Resumed::Panicked(payload) => Err(Error::new(Panicked::new(payload))),
        Resumed::Suspended(_) => unreachable!("it has ended"),
    }
}

/// What a parked task waits for.
enum Parked {
    /// Nothing: it goes on in the next round.
    Ready,
    Waits,
}

/// In this order: see [`Control`].
#[repr(C)]
pub(super) struct TaskInner<T, A> {
    state: FutureState<T>,
    control: Control,
    progress: RefCell<Progress<T, A>>,
}

/// What a task runs that is made from a std future.
struct NoBody<T>(Infallible, PhantomData<T>);

impl<T> Awaitable for NoBody<T> {
    type Output = T;

    fn co_await(self) -> Result<T> {
        match self.0 {}
    }
}

/// What `create_task` needs of a task's inside: both views of one allocation.
pub(super) struct Views<T> {
    pub(super) future: Future<T>,
    pub(super) task: AnyTask,
}

impl<T, A> TaskInner<T, A>
where
    A: Awaitable<Output = T> + 'static,
    T: 'static,
{
    /// A task that is registered with its loop. Its first step comes in the next round, or now if it is `eager`.
    #[inline]
    pub(super) fn spawn(core: Rc<LoopCore>, head: Head, awaitable: A, eager: bool) -> Views<T> {
        match awaitable.__stackless() {
            Stackless::No(awaitable) => Self::begin(core, head, Progress::New(awaitable), eager),
            // A future is in a box of its own: the task has no room for it.
            Stackless::Yes(future) => {
                let progress = Progress::NewStackless(future);
                TaskInner::<T, NoBody<T>>::begin(core, head, progress, eager)
            }
        }
    }

    #[inline]
    fn begin(core: Rc<LoopCore>, head: Head, progress: Progress<T, A>, eager: bool) -> Views<T> {
        // Memory first, so that all of it is written in its place: `Rc::new` would copy some 300 bytes.
        let mut inner = Rc::<Self>::new_uninit();
        if let Some(place) = Rc::get_mut(&mut inner) {
            // What can unwind comes first: nothing is kept elsewhere for that.
            place.write(Self {
                control: Control::new(head),
                state: FutureState::pending(Rc::clone(&core)),
                progress: RefCell::new(progress),
            });
        }
        // SAFETY: it was written just now, since nobody else has a handle on a new `Rc`.
        let inner = unsafe { inner.assume_init() };
        let views = Self::views(&inner);
        registry::register(views.task.clone());
        // Nothing may suspend while a panic passes, so an eager task waits for its turn then.
        match eager && core.running.get() && !std::thread::panicking() {
            true => {
                let _outer = leave_task();
                inner.step(&core);
            }
            false => core.push(inner),
        }
        views
    }

    /// A task that has failed before it could begin.
    pub(super) fn failed(head: Head, awaitable: A, error: Error) -> Views<T> {
        awaitable.__discard();
        let state = FutureState::failed(error, None);
        let control = Control::new(head);
        Self::views(&Rc::new(Self { state, control, progress: RefCell::new(Progress::Ended) }))
    }

    fn views(inner: &Rc<Self>) -> Views<T> {
        let future = Future { inner: Rc::clone(inner) as Rc<dyn FutureObject<T>> };
        Views { future, task: AnyTask { object: Rc::clone(inner) as Rc<dyn TaskObject> } }
    }

    fn future(self: &Rc<Self>) -> Future<T> {
        Future { inner: Rc::clone(self) as Rc<dyn FutureObject<T>> }
    }

    /// What this step delivers: what was waited for, a mistake to be raised, or a cancellation.
    #[inline(always)]
    fn take_input(&self) -> Result<()> {
        let control = &self.control;
        let waited_for = control.waiting_for.take();
        if control.is_due() {
            return self.look_at_input(waited_for);
        }
        match waited_for.and_then(|future| future.retrieve()) {
            None => Ok(()),
            Some(error) => Err(error),
        }
    }

    #[cold]
    fn look_at_input(&self, waited_for: Option<Rc<dyn Waitable>>) -> Result<()> {
        let control = &self.control;
        let raised = control.take_raised().or_else(|| waited_for?.retrieve());
        let mut input = raised.map_or(Ok(()), Err);
        if input.as_ref().err().is_some_and(|error| error.is::<Cancelled>()) && control.shields.get() == 0 {
            control.must_cancel.set(false);
        } else if let Some(cancellation) = control.take_cancellation() {
            input = Err(cancellation);
        }
        input
    }

    /// A fiber that will run `awaitable`.
    #[inline]
    fn fiber(&self, awaitable: A) -> Result<TaskFiber<T>> {
        let control: *const Control = &self.control;
        let run = move |driven: &Driven| {
            let driver = TaskDriver { control };
            driven.drive(&driver);
            awaitable.co_await()
        };
        // SAFETY: the awaitable is 'static. (A scope's children and `run`'s main are made so by their owners, who
        // wait for the task to end and its stack to be gone.)
        unsafe { Fiber::new(Kind::Task, self.control.stack_size as usize, run) }
    }

    #[inline(always)] // its only hot caller is `run`: one return less that is mispredicted after a switch
    fn step(self: Rc<Self>, core: &Rc<LoopCore>) {
        let ended = 'stepped: {
            // It is borrowed while the task runs: a step within the step does nothing.
            let Ok(mut progress) = self.progress.try_borrow_mut() else { return };
            let input = self.take_input();
            let _current = enter_task(&self);
            let awaited = match &mut *progress {
                Progress::Parked(fiber) => match fiber.resume(input.map(|()| None)) {
                    Resumed::Suspended(awaited) => awaited,
                    ended => {
                        // The stack is back in the pool before anybody hears of the end.
                        *progress = Progress::Ended;
                        break 'stepped Some(result_of(ended));
                    }
                },
                _ => match self.step_otherwise(&mut progress, input) {
                    Outcome::Parked(awaited) => awaited,
                    Outcome::Ended(result) => break 'stepped Some(result),
                    Outcome::Polled => return,
                },
            };
            drop(progress);
            match self.park(awaited, core) {
                Parked::Ready => None,
                Parked::Waits => return,
            }
        };
        match ended {
            Some(result) => self.end(result),
            None => core.push(self),
        }
    }

    /// The first step, and those of a std future.
    fn step_otherwise(self: &Rc<Self>, progress: &mut Progress<T, A>, input: Result<()>) -> Outcome<T> {
        match std::mem::replace(progress, Progress::Ended) {
            Progress::New(awaitable) => match input {
                Ok(()) => match self.fiber(awaitable) {
                    Ok(mut fiber) => match fiber.start() {
                        Resumed::Suspended(awaited) => {
                            *progress = Progress::Parked(fiber);
                            Outcome::Parked(awaited)
                        }
                        ended => {
                            drop(fiber); // its stack is back in the pool first
                            Outcome::Ended(result_of(ended))
                        }
                    },
                    Err(error) => Outcome::Ended(Err(error)),
                },
                Err(error) => Outcome::Ended(drop_quietly(|| awaitable.__discard()).and(Err(error))),
            },
            Progress::NewStackless(future) => {
                let target: Rc<dyn Woken> = Rc::clone(self) as Rc<dyn Woken>;
                match self.state.core() {
                    Some(core) => self.poll(progress, future, WakeSlot::new(core, target), input),
                    None => Outcome::Polled,
                }
            }
            Progress::Polled(future, slot) => self.poll(progress, future, slot, input),
            parked @ Progress::Parked(_) => {
                *progress = parked;
                Outcome::Polled
            }
            Progress::Ended => Outcome::Polled,
        }
    }

    /// Parks the task for what it asked for. If it waits for nothing, it is for the caller to make it ready.
    #[inline(always)]
    fn park(self: &Rc<Self>, awaited: Awaited, core: &Rc<LoopCore>) -> Parked {
        if self.control.levels_are_up() {
            self.control.raise_levels();
        }
        match awaited {
            Awaited::Yield => Parked::Ready,
            Awaited::Future(future) => self.park_for(future, core),
            Awaited::Command(command) => {
                self.mistake(format!("Task got bad yield: a command that no loop knows, in {}", self.text()));
                self.push();
                drop(command); // last: its destructor is the user's
                Parked::Waits
            }
        }
    }

    #[inline(always)]
    fn park_for(self: &Rc<Self>, future: AnyFuture, core: &Rc<LoopCore>) -> Parked {
        let itself = std::ptr::addr_eq(Rc::as_ptr(&future.0), Rc::as_ptr(self));
        if itself || !future.0.is_of(core) {
            self.refuse(itself, &future);
            return Parked::Ready;
        }
        future.0.add_waiter(Rc::clone(self) as Rc<dyn Runnable>);
        if self.control.must_cancel.get() {
            self.control.waiting_for.set(Some(Rc::clone(&future.0)));
            self.deliver_cancellation(&future.0);
        } else {
            self.control.waiting_for.set(Some(future.0));
        }
        Parked::Waits
    }

    /// The task cannot wait for `future`.
    #[cold]
    fn refuse(&self, itself: bool, future: &AnyFuture) {
        self.mistake(match itself {
            true => format!("Task cannot await on itself: {}", self.text()),
            false => format!("Task {} got Future {future:?} attached to a different loop", self.text()),
        });
    }

    /// What the task asked for is a mistake, which its next step raises.
    #[cold]
    fn mistake(&self, message: String) {
        self.control.raise_next(RuntimeError::new(message).into());
    }

    fn push(self: &Rc<Self>) {
        if let Some(core) = self.state.core() {
            core.push(Rc::clone(self) as Rc<dyn Runnable>);
        }
    }

    /// Cancels what was just parked for, if a cancellation came while the task ran.
    #[cold]
    fn deliver_cancellation(&self, future: &Rc<dyn Waitable>) {
        let control = &self.control;
        if control.shields.get() == 0 {
            let message = control.cancel_message();
            if Rc::clone(future).cancel(message) {
                control.must_cancel.set(false);
            }
        }
    }

    fn poll(
        self: &Rc<Self>,
        progress: &mut Progress<T, A>,
        mut future: StdFuture<T>,
        slot: WakeSlot,
        input: Result<()>,
    ) -> Outcome<T> {
        let mut context = PollContext::from_waker(slot.waker());
        // The future is dropped in here too: its destructor may panic, and must not suspend either.
        let polled = catch_unwind(AssertUnwindSafe(|| {
            barrier("in the poll of a task made from a std future", move || {
                let polled = match input {
                    Err(error) => Poll::Ready(Err(error)),
                    Ok(()) => future.as_mut().poll(&mut context).map(Ok),
                };
                let pending = polled.is_pending().then_some(future);
                (polled, pending)
            })
        }));
        match polled {
            Ok((Poll::Ready(result), _)) => Outcome::Ended(result),
            Ok((Poll::Pending, Some(future))) => {
                *progress = Progress::Polled(future, slot);
                if self.control.must_cancel.get() {
                    self.push(); // it was cancelled in its own poll: what it waits for may never come
                }
                Outcome::Polled
            }
            Ok((Poll::Pending, None)) => unreachable!("a pending future is given back"),
            Err(payload) => Outcome::Ended(Err(Error::new(Panicked::new(payload)))),
        }
    }

    #[inline]
    fn end(self: &Rc<Self>, result: Result<T>) {
        registry::unregister(&self.control);
        match result {
            Ok(value) if !self.control.must_cancel.get() => self.state.finish(value, || self.future()),
            result => self.end_otherwise(result),
        }
    }

    /// Cancelled, or by an error.
    #[cold]
    fn end_otherwise(self: &Rc<Self>, result: Result<T>) {
        let future = self.future();
        let settled = match result {
            Ok(value) => {
                self.control.must_cancel.set(false);
                future.settle_cancelled(self.control.cancel_message());
                drop(value);
                Ok(())
            }
            Err(error) if error.is_cancelled() => {
                let message = error.downcast_ref::<Cancelled>().and_then(Cancelled::message);
                future.settle_cancelled(message.map(str::to_owned));
                Ok(())
            }
            Err(error) if error.breaks_out() => {
                let settled = future.settle_failed(error.clone());
                drop(self.state.retrieve()); // the run of the loop raises it: it is not lost
                if let Some(core) = self.state.core() {
                    core.break_out(error);
                }
                settled
            }
            Err(error) => future.settle_failed(error),
        };
        debug_assert!(settled.is_ok(), "only its own end settles a task");
    }

    fn text(&self) -> String {
        struct Text<'a, T, A>(&'a TaskInner<T, A>);
        impl<T: 'static, A: Awaitable<Output = T> + 'static> fmt::Display for Text<'_, T, A> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                Waitable::describe(self.0, f)
            }
        }
        Text(self).to_string()
    }
}

/// Runs destructors of the user; a panic of theirs is the error of the task.
fn drop_quietly(f: impl FnOnce()) -> Result<()> {
    catch_unwind(AssertUnwindSafe(f)).map_err(|payload| Error::new(Panicked::new(payload)))
}

struct TaskDriver {
    /// Of the task whose stack this lives on: the step that runs it holds the task.
    control: *const Control,
}

impl Describe for TaskDriver {
    fn describe(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        // SAFETY: the driver is asked only while its task runs, and who runs a task holds it.
        unsafe { &*self.control }.describe_running(out)
    }
}

impl<T: 'static, A: Awaitable<Output = T> + 'static> Runnable for TaskInner<T, A> {
    fn prefetch(&self) {
        // What a step looks at: see `Control`.
        prefetch_around(&raw const self.control.levels, 0, 128);
    }

    fn prefetch_stack(&self) {
        if let Ok(Progress::Parked(fiber)) = self.progress.try_borrow().as_deref() {
            fiber.prefetch();
        }
    }

    fn is_task(&self) -> bool {
        true
    }

    fn run(self: Rc<Self>, core: &Rc<LoopCore>) {
        self.step(core);
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Waitable::describe(self, f)
    }

    fn callback_name(&self) -> String {
        "Task.task_wakeup()".to_owned()
    }

    fn awaiter(self: Rc<Self>) -> Option<AnyFuture> {
        Some(AnyFuture(self))
    }
}

impl<T: 'static, A: Awaitable<Output = T> + 'static> Woken for TaskInner<T, A> {
    fn wake(self: Rc<Self>) {
        // Several wakes before the next poll make several entries; a spurious poll is allowed, a lost one is not.
        if let Some(core) = self.state.core().cloned() {
            core.push(self);
        }
    }

    fn awaiter(self: Rc<Self>) -> Option<AnyFuture> {
        Some(AnyFuture(self))
    }
}

impl<T: 'static, A: Awaitable<Output = T> + 'static> Waitable for TaskInner<T, A> {
    fn cancel(self: Rc<Self>, message: Option<String>) -> bool {
        if self.state.is_done() {
            return false;
        }
        control::cancel(AnyTask { object: self }, message);
        true
    }

    fn cancel_message(&self) -> Option<String> {
        self.control.cancel_message()
    }

    by_state!();

    fn task_name(&self) -> Option<String> {
        Some(self.control.name())
    }

    fn task_key(&self) -> Option<u32> {
        self.control.key()
    }

    fn origin(&self) -> Option<Origin> {
        Some(self.control.origin)
    }
}

impl<T: 'static, A: Awaitable<Output = T> + 'static> FutureObject<T> for TaskInner<T, A> {
    fn state(&self) -> &FutureState<T> {
        &self.state
    }

    fn fmt_head(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Task ")?;
        match self.control.cancel_requests.get() > 0 && !self.state.is_done() {
            true => f.write_str("cancelling")?,
            false => self.state.fmt_status(f)?,
        }
        self.control.fmt_info(f, self.state.is_done())
    }

    fn is_task(&self) -> bool {
        true
    }
}

impl<T: 'static, A: Awaitable<Output = T> + 'static> TaskObject for TaskInner<T, A> {
    fn control(&self) -> &Control {
        &self.control
    }

    fn failure(&self) -> Option<Error> {
        self.state.failure().filter(|_| !self.state.is_cancelled())
    }

    fn cancel_next_step(self: Rc<Self>, message: Option<String>) {
        self.control.must_cancel.set(true);
        self.control.set_cancel_message(message);
        // A polled future has nothing that would be cancelled in its place: its next step comes now.
        if self.progress.try_borrow().is_ok_and(|progress| matches!(*progress, Progress::Polled(..))) {
            Woken::wake(self);
        }
    }

    fn destroy(self: Rc<Self>) -> std::result::Result<(), &'static str> {
        if !self.state.is_done() {
            report::error(format_args!("Task was destroyed but it is pending!\ntask: {}", self.text()));
        }
        let _outer = leave_task();
        let _current = enter_task(&self);
        // What would have been told of its end never will be, and hears of that by being dropped.
        let callbacks = self.state.forget_callbacks();
        let waiting_for = self.control.waiting_for.take();
        // One that runs now ends by itself: a loop is not closed while it runs.
        let progress = self.progress.try_borrow_mut();
        let progress = progress
            .map_or(Progress::Ended, |mut progress| std::mem::replace(&mut *progress, Progress::Ended));
        registry::unregister(&self.control);
        drop(waiting_for);
        let result = match progress {
            Progress::New(awaitable) => {
                drop(awaitable);
                Ok(())
            }
            Progress::Parked(fiber) => fiber.unwind(),
            other => {
                drop(other);
                Ok(())
            }
        };
        drop(callbacks);
        result
    }
}

impl<T, A> Drop for TaskInner<T, A> {
    fn drop(&mut self) {
        if self.state.has_unseen() {
            let (file, line) = self.control.origin.place();
            let (name, coro) = (self.control.name(), self.control.origin.name());
            let head = format!("<Task finished name='{name}' coro=<{coro}() done, defined at {file}:{line}>");
            self.state.report_unseen("Task exception was never retrieved", &head);
        }
    }
}
