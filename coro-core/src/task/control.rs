//! What is known of a task whatever its result: name, cancellation counts, what it waits for; and how a cancellation
//! finds its way.
//!
//! Floor 5.

use std::cell::Cell;
use std::fmt::{self, Debug};
use std::rc::Rc;

use super::levels::Levels;
use super::registry::task_of;
use crate::context::{Context, Slot};
use crate::definition::Origin;
use crate::error::Error;
use crate::events::{AnyFuture, EventLoop, Runnable, Waitable};

/// The untyped part of a task.
///
/// What each step looks at is at the end, beside the fiber that comes after it in the task: with that it is two lines of
/// the processor's cache, not five.
#[repr(C)]
pub(crate) struct Control {
    pub(super) number: u64,
    pub(super) origin: Origin,
    pub(super) context: Slot,
    rare: Cell<Option<Box<Rare>>>,
    pub(super) stack_size: u32,
    /// `cancel()` calls less `uncancel()` calls.
    pub(super) cancel_requests: Cell<u32>,
    /// While it is above zero, cancellations are held back; see [`cleanup`](super::cleanup).
    pub(super) shields: Cell<u32>,
    /// Where it stands among the tasks of the thread; [`UNREGISTERED`] if it does not.
    pub(super) key: Cell<u32>,
    pub(super) levels: Levels,
    pub(super) waiting_for: Cell<Option<Rc<dyn Waitable>>>,
    /// A cancellation that the next step delivers.
    pub(super) must_cancel: Cell<bool>,
    /// Whether there is an error that the next step raises.
    must_raise: Cell<bool>,
    /// Whether a cancellation is on its way through it, to what it waits for.
    passing_on: Cell<bool>,
    /// Whether it is being described, and so is what it waits for.
    describing: Cell<bool>,
}

/// How many tasks that wait for each other are described one in the other.
const DESCRIBED: usize = 16;

/// No slab has so many entries.
pub(super) const UNREGISTERED: u32 = u32::MAX;

/// What few tasks have.
#[derive(Default)]
struct Rare {
    name: Option<String>,
    cancel_message: Option<String>,
    /// What the next step raises, for mistakes in what was awaited.
    to_raise: Option<Error>,
}

/// What is known of a task before it is made.
pub(super) struct Head {
    pub(super) name: Option<String>,
    pub(super) origin: Origin,
    pub(super) context: Slot,
    pub(super) stack_size: usize,
}

impl Control {
    /// Where it stands among the tasks of the thread, unless it has ended.
    pub(super) fn key(&self) -> Option<u32> {
        Some(self.key.get()).filter(|&key| key != UNREGISTERED)
    }

    #[inline]
    pub(super) fn new(Head { name, origin, context, stack_size }: Head) -> Self {
        thread_local!(static MADE: Cell<u64> = const { Cell::new(0) });
        Self {
            number: MADE.replace(MADE.get() + 1) + 1,
            origin,
            context,
            stack_size: u32::try_from(stack_size).unwrap_or(u32::MAX), // none is so large
            must_cancel: Cell::new(false),
            must_raise: Cell::new(false),
            passing_on: Cell::new(false),
            describing: Cell::new(false),
            cancel_requests: Cell::new(0),
            shields: Cell::new(0),
            levels: Levels::default(),
            waiting_for: Cell::default(),
            key: Cell::new(UNREGISTERED),
            rare: Cell::new(name.map(|name| Box::new(Rare { name: Some(name), ..Rare::default() }))),
        }
    }

    /// `f` calls no code of a user's.
    fn with_rare<R>(&self, f: impl FnOnce(Option<&Rare>) -> R) -> R {
        let rare = self.rare.take();
        let result = f(rare.as_deref());
        self.rare.set(rare);
        result
    }

    /// As [`with_rare`](Self::with_rare).
    fn change_rare<R>(&self, f: impl FnOnce(&mut Rare) -> R) -> R {
        let mut rare = self.rare.take().unwrap_or_default();
        let result = f(&mut rare);
        self.rare.set(Some(rare));
        result
    }

    /// What the task waits for, since it was parked.
    pub(super) fn waiting_for(&self) -> Option<Rc<dyn Waitable>> {
        let waiting_for = self.waiting_for.take();
        self.waiting_for.set(waiting_for.clone());
        waiting_for
    }

    pub(super) fn name(&self) -> String {
        self.with_rare(|rare| rare?.name.clone()).unwrap_or_else(|| format!("Task-{}", self.number))
    }

    /// Who it is, without allocating: the task may just have overflowed its stack.
    pub(super) fn describe_running(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        let (file, line) = self.origin.place();
        self.with_rare(|rare| match rare.and_then(|rare| rare.name.as_deref()) {
            Some(name) => write!(out, "task '{name}'"),
            None => write!(out, "task 'Task-{}'", self.number),
        })?;
        write!(out, " (coroutine '{}' defined at {file}:{line})", self.origin.name())
    }

    pub(super) fn set_name(&self, name: String) {
        self.change_rare(|rare| rare.name = Some(name));
    }

    /// The message of the last cancellation that was to be raised in it.
    pub(super) fn cancel_message(&self) -> Option<String> {
        self.with_rare(|rare| rare?.cancel_message.clone())
    }

    pub(super) fn set_cancel_message(&self, message: Option<String>) {
        if message.is_some() || self.with_rare(|rare| rare.is_some()) {
            self.change_rare(|rare| rare.cancel_message = message);
        }
    }

    /// Makes the next step raise `error`.
    #[cold]
    pub(super) fn raise_next(&self, error: Error) {
        let former = self.change_rare(|rare| rare.to_raise.replace(error));
        self.must_raise.set(true);
        drop(former); // last: its destructor is the user's
    }

    /// Whether the next step has more to deliver than the end of what was waited for.
    #[inline]
    pub(super) fn is_due(&self) -> bool {
        self.must_cancel.get() | self.must_raise.get()
    }

    pub(super) fn take_raised(&self) -> Option<Error> {
        match self.must_raise.replace(false) {
            true => self.change_rare(|rare| rare.to_raise.take()),
            false => None,
        }
    }

    pub(super) fn uncancel(&self) -> u32 {
        let left = self.cancel_requests.get().saturating_sub(1);
        self.cancel_requests.set(left);
        if left == 0 {
            self.must_cancel.set(false);
        }
        left
    }

    /// Takes the cancellation that is due, as the error to be raised.
    pub(super) fn take_cancellation(&self) -> Option<Error> {
        if self.shields.get() > 0 || !self.must_cancel.replace(false) {
            return None;
        }
        Some(crate::future::cancelled_error(self.cancel_message()))
    }

    /// From the name on: ` name='Task-1' coro=<…> wait_for=<…>`.
    pub(super) fn fmt_info(&self, f: &mut fmt::Formatter<'_>, done: bool) -> fmt::Result {
        let (file, line) = self.origin.place();
        let state = if done { "done, defined" } else { "running" };
        write!(f, " name='{}' coro=<{}() {state} at {file}:{line}>", self.name(), self.origin.name())?;
        let Some(future) = self.waiting_for() else { return Ok(()) };
        f.write_str(" wait_for=")?;
        thread_local!(static DEPTH: Cell<usize> = const { Cell::new(0) });
        let depth = DEPTH.get();
        let in_a_circle = || task_of(&*future).is_some_and(|task| task.object.control().describing.get());
        if depth >= DESCRIBED || in_a_circle() {
            return f.write_str("...");
        }
        self.describing.set(true);
        DEPTH.set(depth + 1);
        let described = future.describe(f);
        DEPTH.set(depth);
        self.describing.set(false);
        described
    }
}

/// A task as the loop, the scopes and the reports see it.
pub(crate) trait TaskObject: Waitable + Runnable {
    fn control(&self) -> &Control;

    /// The error that it has failed with, which does not count as seen by that.
    fn failure(&self) -> Option<Error>;

    /// Makes its next step raise a cancellation.
    fn cancel_next_step(self: Rc<Self>, message: Option<String>);

    /// Ends a task whose loop is gone, by force. Gives why its stack had to be leaked, if it had to.
    fn destroy(self: Rc<Self>) -> std::result::Result<(), &'static str>;
}

/// A task, whatever its result; what [`current_task`](crate::current_task) and [`all_tasks`](crate::all_tasks) give.
///
/// ```
/// use coro_core::prelude::*;
/// coro_core::run(coroutine(|| {
///     let me = coro_core::current_task().expect("this runs in a task");
///     me.set_name("main");
///     assert_eq!(me.get_name(), "main");
///     assert_eq!(coro_core::all_tasks()?.len(), 1);
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone)]
pub struct AnyTask {
    pub(crate) object: Rc<dyn TaskObject>,
}

impl AnyTask {
    /// This task as a future.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let me = coro_core::current_task().unwrap();
    /// assert!(!me.any().done());
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn any(&self) -> AnyFuture {
        AnyFuture(Rc::clone(&self.object) as Rc<dyn Waitable>)
    }

    /// Its name, `Task-N` if none was given.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let task = create_task(coroutine(|| Ok(coro_core::current_task().unwrap().get_name())));
    /// assert_eq!(task.co_await()?, "Task-2");
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn get_name(&self) -> String {
        self.object.control().name()
    }

    /// Gives it a name.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let me = coro_core::current_task().unwrap();
    /// me.set_name("cook");
    /// assert_eq!(me.get_name(), "cook");
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn set_name(&self, name: impl Into<String>) {
        self.object.control().set_name(name.into());
    }

    /// The name and place of the coroutine that it runs; `get_coro()`.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// async_fn! {
    ///     async fn cook() -> &'static str { coro_core::current_task().unwrap().get_coro().name() }
    /// }
    /// assert_eq!(coro_core::run(cook())?, "cook");
    /// # Ok::<(), Error>(())
    /// ```
    pub fn get_coro(&self) -> CoroInfo {
        CoroInfo { origin: self.object.control().origin }
    }

    /// The context that its steps run in.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// static USER: coro_core::ContextVar<&str> = coro_core::ContextVar::new("user");
    /// USER.set("ada");
    /// assert_eq!(coro_core::current_task().unwrap().get_context().get(&USER), Some("ada"));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn get_context(&self) -> Context {
        self.object.control().context.own().clone()
    }

    /// The loop it runs on; `None` if it was made without one.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let me = coro_core::current_task().unwrap();
    /// assert!(me.get_loop().unwrap().same(&get_running_loop()?));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn get_loop(&self) -> Option<EventLoop> {
        self.object.event_loop().map(|core| core.handle())
    }

    /// Whether it has ended.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let task = create_task(coroutine(|| Ok(1)));
    /// let any = task.any_task();
    /// task.co_await()?;
    /// assert!(any.done());
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn done(&self) -> bool {
        self.object.is_done()
    }

    /// Whether it has ended by a cancellation.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let task = create_task(sleep(secs(60)));
    /// let any = task.any_task();
    /// any.cancel();
    /// assert!(!any.cancelled()); // not yet
    /// assert!(task.co_await().is_err() && any.cancelled());
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn cancelled(&self) -> bool {
        Waitable::is_cancelled(&*self.object)
    }

    /// Asks it to end at its next step: [`Cancelled`](crate::Cancelled) is raised in it. False if it was done.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// create_task(sleep(secs(60)));
    /// for task in coro_core::all_tasks()? {
    ///     let me = coro_core::current_task().unwrap();
    ///     assert!(task.same(&me) || task.cancel());
    /// }
    /// sleep(Duration::ZERO).co_await()?;
    /// sleep(Duration::ZERO).co_await()?;
    /// assert_eq!(coro_core::all_tasks()?.len(), 1);
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn cancel(&self) -> bool {
        Rc::clone(&self.object).cancel(None)
    }

    /// As [`cancel`](Self::cancel), with a message; `task.cancel(msg)`.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let task = create_task(sleep(secs(60)));
    /// task.any_task().cancel_with("too late");
    /// assert_eq!(task.co_await().unwrap_err().to_string(), "too late");
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn cancel_with(&self, message: impl Into<String>) -> bool {
        Rc::clone(&self.object).cancel(Some(message.into()))
    }

    /// How many requests to cancel it were made and not taken back.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let task = create_task(sleep(secs(60))).any_task();
    /// assert_eq!(task.cancelling(), 0);
    /// task.cancel();
    /// assert_eq!(task.cancelling(), 1);
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn cancelling(&self) -> usize {
        self.object.control().cancel_requests.get() as usize
    }

    /// Takes one request to cancel it back; gives how many are left. With none left, a cancellation that was
    /// not yet raised does not come.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let stubborn = coroutine(|| {
    ///     let error = sleep(secs(60)).co_await().unwrap_err();
    ///     assert!(error.is_cancelled()); // and swallowed
    ///     Ok(coro_core::current_task().unwrap().uncancel())
    /// });
    /// let task = create_task(stubborn);
    /// sleep(secs(1)).co_await()?;
    /// task.cancel();
    /// assert_eq!(task.co_await()?, 0);
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn uncancel(&self) -> usize {
        self.object.control().uncancel() as usize
    }

    /// Whether both are the same task; Python's `is`.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let me = coro_core::current_task().unwrap();
    /// assert!(me.same(&coro_core::all_tasks()?[0]));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn same(&self, other: &AnyTask) -> bool {
        std::ptr::addr_eq(Rc::as_ptr(&self.object), Rc::as_ptr(&other.object))
    }

    /// Makes its next step raise `error`, and lets it come now. For a task that is parked.
    pub(crate) fn raise(&self, error: Error) {
        let control = self.object.control();
        let me: Rc<dyn Runnable> = Rc::clone(&self.object) as Rc<dyn Runnable>;
        if let Some(waiting_for) = control.waiting_for.take() {
            waiting_for.remove_waiter(&me);
        }
        control.raise_next(error);
        if let Some(core) = self.object.event_loop() {
            core.push(me);
        }
    }

    pub(crate) fn number(&self) -> u64 {
        self.object.control().number
    }
}

impl Debug for AnyTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Waitable::describe(&*self.object, f)
    }
}

/// What is known of the coroutine that a task runs; a part of what `task.get_coro()` gives in Python.
///
/// ```
/// # use coro_core::prelude::*;
/// async_fn! {
///     async fn boil() {}
/// }
/// # coro_core::run(coroutine(|| {
/// let coro: coro_core::CoroInfo = create_task(boil()).get_coro();
/// assert_eq!(coro.name(), "boil");
/// # Ok(())
/// # })).unwrap();
/// ```
#[derive(Clone, Copy, Debug)]
pub struct CoroInfo {
    pub(super) origin: Origin,
}

impl CoroInfo {
    /// The name of the function.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// async_fn! {
    ///     async fn boil() {}
    /// }
    /// # coro_core::run(coroutine(|| {
    /// assert_eq!(create_task(boil()).get_coro().name(), "boil");
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn name(&self) -> &'static str {
        self.origin.name()
    }

    /// Its file and line.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let task = create_task(coroutine(|| Ok(1))); let line = line!();
    /// assert_eq!(task.get_coro().place(), (file!(), line));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn place(&self) -> (&'static str, u32) {
        self.origin.place()
    }
}

/// Cancels `task`, which has not ended: what it waits for is cancelled in its place. Tasks that wait for each other pass
/// it on without a call in a call, so that a chain of them may be of any length. Where they wait in a circle, nobody
/// could end: the last of them stops to wait.
pub(super) fn cancel(mut task: AnyTask, message: Option<String>) {
    #[derive(Default)]
    struct Passed(Vec<AnyTask>);
    impl Drop for Passed {
        fn drop(&mut self) {
            self.0.iter().for_each(|task| task.object.control().passing_on.set(false));
        }
    }
    let mut passed = Passed::default();
    loop {
        let control = task.object.control();
        if control.passing_on.get() {
            return passed.0.last().unwrap_or(&task).raise(crate::future::cancelled_error(message));
        }
        control.cancel_requests.set(control.cancel_requests.get() + 1);
        let waiting_for = control.waiting_for().filter(|_| control.shields.get() == 0);
        let Some(waiting_for) = waiting_for else { return Rc::clone(&task.object).cancel_next_step(message) };
        control.passing_on.set(true);
        let next = task_of(&*waiting_for);
        passed.0.push(task);
        match next {
            Some(next) => task = next,
            None if waiting_for.cancel(message.clone()) => return,
            None => break, // it is done, and the next step comes
        }
    }
    if let Some(task) = passed.0.last() {
        Rc::clone(&task.object).cancel_next_step(message);
    }
}
