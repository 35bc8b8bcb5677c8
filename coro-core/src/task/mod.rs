//! Tasks: coroutines that the loop drives, each on a stack of its own.
//!
//! Floor 5. [`Task`] is a [`Future`] of its coroutine's result, with a name and a way to be cancelled.

mod borrowed;
mod control;
mod current;
mod factory;
mod levels;
mod registry;
mod step;

use std::fmt::{self, Debug};
use std::ops::Deref;
use std::rc::Rc;

pub(crate) use borrowed::{Borrowers, spawn_borrowed};
use control::Head;
pub use control::{AnyTask, CoroInfo};
pub use current::current_task;
pub(crate) use current::leave_task;
use factory::Around;
pub use factory::{TaskFactory, eager_task_factory};
pub(crate) use levels::{Level, past_levels};
pub use registry::all_tasks;
pub(crate) use registry::{are_many, check_thread, tasks_of};
use step::{TaskInner, Views};

use crate::context::{Context, Slot};
use crate::coroutine::{Awaitable, Ensured, Existing, suspend};
use crate::definition::Origin;
use crate::error::{Error, Result};
use crate::events::{AnyFuture, EventLoop, LoopCore, running_core};
use crate::fiber::{Awaited, Open};
use crate::future::{CallbackId, Future};
use crate::stack::DEFAULT_STACK_SIZE;

/// A coroutine that a loop drives; `asyncio.Task`. It is a [`Future`] of the coroutine's result.
///
/// Awaiting it by value takes the result, by reference clones it. Dropping the handle detaches the task: it goes
/// on, and an exception that nobody asks for is reported.
///
/// # Cancellation
/// Cancelling the one who awaits it cancels the task as well, as in asyncio; a [`shield`](crate::shield)
/// prevents that. The await goes on with what the task made of it.
///
/// ```
/// use coro_core::prelude::*;
/// coro_core::run(coroutine(|| {
///     let task = create_task(coroutine(|| { sleep(secs(1)).co_await()?; Ok(42) }));
///     assert_eq!((&task).co_await()?, 42);
///     assert_eq!(task.co_await()?, 42);
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
///
/// A task stays on its thread:
/// ```compile_fail
/// let task = coro_core::create_task(coro_core::coroutine(|| Ok(1)));
/// std::thread::spawn(move || task.cancel());
/// ```
/// and what it runs may not borrow; a [scope](crate::TaskGroup::scope) is for that:
/// ```compile_fail
/// let text = String::from("borrowed");
/// coro_core::create_task(coro_core::coroutine(|| Ok(text.len())));
/// ```
pub struct Task<T> {
    future: Future<T>,
    task: AnyTask,
}

impl<T> Deref for Task<T> {
    type Target = Future<T>;

    fn deref(&self) -> &Future<T> {
        &self.future
    }
}

impl<T: 'static> Task<T> {
    fn from_views(views: Views<T>) -> Self {
        Self { future: views.future, task: views.task }
    }
}

impl<T> Task<T> {
    /// Another handle on it, without the type of its result.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let (number, text) = (create_task(coroutine(|| Ok(1))), create_task(coroutine(|| Ok("one"))));
    /// let both = [number.any_task(), text.any_task()]; // of one type
    /// assert!(both.iter().all(|task| task.cancel()));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn any_task(&self) -> AnyTask {
        self.task.clone()
    }
}

impl<T: 'static> Task<T> {
    /// Another handle on it, as a future: awaiting that clones the result.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let task = create_task(coroutine(|| { sleep(secs(1)).co_await()?; Ok(6) }));
    /// let (one, other) = (task.future(), task.future());
    /// assert_eq!(gather((one, other)).co_await()?, (6, 6));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn future(&self) -> Future<T> {
        self.future.clone()
    }

    fn handle(&self) -> Self {
        Self { future: self.future.clone(), task: self.task.clone() }
    }

    /// Its name, `Task-N` if none was given.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// assert_eq!(create_task(coroutine(|| Ok(1))).get_name(), "Task-2"); // main is Task-1
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn get_name(&self) -> String {
        self.task.get_name()
    }

    /// Gives it a name.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let task = create_task(coroutine(|| Ok(1)));
    /// task.set_name("cook");
    /// assert_eq!(task.get_name(), "cook");
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn set_name(&self, name: impl Into<String>) {
        self.task.set_name(name);
    }

    /// The name and place of the coroutine that it runs; `task.get_coro()`.
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
    pub fn get_coro(&self) -> CoroInfo {
        self.task.get_coro()
    }

    /// The context that its steps run in: the set itself, no copy.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// static USER: coro_core::ContextVar<&str> = coro_core::ContextVar::new("user");
    /// let task = create_task(coroutine(|| { USER.set("ada"); Ok(()) }));
    /// let context = task.get_context();
    /// task.co_await()?;
    /// assert_eq!(context.get(&USER), Some("ada"));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn get_context(&self) -> Context {
        self.task.get_context()
    }

    /// How many requests to cancel it were made and not taken back.
    ///
    /// ```
    /// use coro_core::prelude::*;
    /// coro_core::run(coroutine(|| {
    ///     let task = create_task(sleep(secs(1)));
    ///     task.cancel();
    ///     task.cancel();
    ///     assert_eq!((task.cancelling(), task.uncancel()), (2, 1));
    ///     Ok(())
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn cancelling(&self) -> usize {
        self.task.cancelling()
    }

    /// Takes one request to cancel it back; gives how many are left.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let task = create_task(sleep(secs(60)));
    /// task.cancel();
    /// assert_eq!((task.uncancel(), task.cancelling()), (0, 0));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn uncancel(&self) -> usize {
        self.task.uncancel()
    }

    /// Calls `callback` with this task when it is done: from the loop, in the next round.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let (said, heard) = std::sync::mpsc::channel();
    /// let task = create_task(coroutine(|| Ok(6)));
    /// task.add_done_callback(move |task| said.send((task.get_name(), task.result().unwrap())).unwrap());
    /// sleep(secs(1)).co_await()?;
    /// assert_eq!(heard.recv().unwrap(), ("Task-2".to_owned(), 6));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    #[track_caller]
    pub fn add_done_callback<F>(&self, callback: F) -> CallbackId
    where
        F: FnOnce(Task<T>) + 'static,
    {
        let task = self.task.clone();
        let call = move |future| callback(Task { future, task });
        self.future.add_named_callback(&Context::copied(), crate::future::callback_name::<F>(), call)
    }
}

impl<T: Debug + 'static> Debug for Task<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.future.fmt(f)
    }
}

impl<T: 'static> Awaitable for Task<T> {
    type Output = T;

    #[inline(always)] // see `suspend`
    fn co_await(self) -> Result<T> {
        self.future.wait_done()?;
        self.future.take_result()
    }

    fn __ensure(self) -> Ensured<Self> {
        let future = self.any().0;
        Ensured::Existing(Existing { future, result: Box::new(move || self.future.take_result()) })
    }
}

impl<T: Clone + 'static> Awaitable for &Task<T> {
    type Output = T;

    #[inline(always)] // see `suspend`
    fn co_await(self) -> Result<T> {
        (&self.future).co_await()
    }

    fn __ensure(self) -> Ensured<Self> {
        let task = self.handle();
        Ensured::Existing(Existing { future: task.any().0, result: Box::new(move || task.result()) })
    }
}

/// Runs `awaitable` as a task of the running loop; `asyncio.create_task()`. It starts in the next round.
///
/// Without a running loop, the task has failed already, with what asyncio raises.
///
/// ```
/// use coro_core::prelude::*;
/// coro_core::run(coroutine(|| {
///     let eggs = create_task(coroutine(|| { sleep(secs(2)).co_await()?; Ok("eggs") }));
///     let toast = create_task(coroutine(|| { sleep(secs(1)).co_await()?; Ok("toast") }));
///     assert_eq!((toast.co_await()?, eggs.co_await()?), ("toast", "eggs")); // two seconds in all
///     Ok(())
/// }))?;
/// let orphan = create_task(coroutine(|| Ok(())));
/// assert_eq!(orphan.result().unwrap_err().to_string(), "no running event loop");
/// # Ok::<(), Error>(())
/// ```
#[track_caller]
pub fn create_task<A>(awaitable: A) -> Task<A::Output>
where
    A: Awaitable + 'static, // one that borrows is a child of a scope: `TaskGroup::scope`
    A::Output: 'static,
{
    TaskBuilder::new().create(awaitable)
}

/// The future or task that an awaitable was, or was made into; what [`ensure_future`] gives.
///
/// Awaiting it gives the result as awaiting the original does.
///
/// # Cancellation
/// As [`Task`]: what is awaited is cancelled as well.
///
/// ```
/// # use coro_core::prelude::*;
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// let ensured: coro_core::EnsuredFuture<u32> = coro_core::ensure_future(coroutine(|| Ok(6)));
/// assert!(!ensured.done()); // all of `AnyFuture` is there
/// assert_eq!(ensured.co_await()?, 6);
/// # Ok(())
/// # })).unwrap();
/// ```
pub struct EnsuredFuture<T> {
    any: AnyFuture,
    result: Box<dyn FnOnce() -> Result<T>>,
}

impl<T> EnsuredFuture<T> {
    pub(crate) fn existing(existing: Existing<T>) -> Self {
        Self { any: AnyFuture(existing.future), result: existing.result }
    }

    /// The result of a future that is done.
    pub(crate) fn into_result(self) -> Result<T> {
        (self.result)()
    }
}

impl<T> Deref for EnsuredFuture<T> {
    type Target = AnyFuture;

    fn deref(&self) -> &AnyFuture {
        &self.any
    }
}

impl<T> Debug for EnsuredFuture<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.any.fmt(f)
    }
}

impl<T> Awaitable for EnsuredFuture<T> {
    type Output = T;

    #[inline(always)] // see `suspend`
    fn co_await(self) -> Result<T> {
        wait_until_done(&self.any)?;
        self.into_result()
    }

    fn __ensure(self) -> Ensured<Self> {
        Ensured::Existing(Existing { future: self.any.0, result: self.result })
    }
}

/// Waits until `future` is done, whatever its type.
fn wait_until_done(future: &AnyFuture) -> Result<()> {
    if future.done() {
        return Ok(());
    }
    suspend(Awaited::Future(future.clone())).map(drop)
}

/// The task or future itself, if `awaitable` is one; else a new task; `asyncio.ensure_future()`.
///
/// ```
/// use coro_core::prelude::*;
/// coro_core::run(coroutine(|| {
///     let task = create_task(coroutine(|| Ok(1)));
///     let same = coro_core::ensure_future(task.future());
///     assert!(same.same(&task.any()));
///     assert_eq!(same.co_await()?, 1);
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
#[track_caller]
pub fn ensure_future<A>(awaitable: A) -> EnsuredFuture<A::Output>
where
    A: Awaitable + 'static,
    A::Output: 'static,
{
    match awaitable.__ensure() {
        Ensured::Existing(existing) => EnsuredFuture::existing(existing),
        Ensured::New(awaitable) => {
            let task = create_task(awaitable);
            EnsuredFuture { any: task.any(), result: Box::new(move || task.take_result()) }
        }
    }
}

/// Says how a task is to be made: its name, its context, the size of its stack.
///
/// ```
/// use coro_core::prelude::*;
/// coro_core::run(coroutine(|| {
///     let task = coro_core::TaskBuilder::new().name("deep").stack_size(1 << 20).create(sleep(secs(1)));
///     assert_eq!(task.get_name(), "deep");
///     task.co_await()
/// }))?;
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Default)]
#[must_use = "it makes a task only when create() is called"]
pub struct TaskBuilder {
    name: Option<String>,
    context: Option<Context>,
    stack_size: Option<usize>,
    eager: Option<bool>,
    around: Option<Box<Around>>,
}

impl TaskBuilder {
    /// A task as [`create_task`] makes it.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let task = coro_core::TaskBuilder::new().create(coroutine(|| Ok(6)));
    /// assert_eq!(task.co_await()?, 6);
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// The name, instead of `Task-N`; `create_task(…, name=name)`.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let task = coro_core::TaskBuilder::new().name("cook").create(coroutine(|| Ok(6)));
    /// assert_eq!(task.get_name(), "cook");
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The context to run in, instead of a copy of the present one; `create_task(…, context=context)`.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// static USER: coro_core::ContextVar<&str> = coro_core::ContextVar::new("user");
    /// let context = coro_core::Context::new();
    /// let task = coro_core::TaskBuilder::new().context(&context).create(coroutine(|| Ok(USER.set("ada"))));
    /// task.co_await()?;
    /// assert_eq!(context.get(&USER), Some("ada"));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn context(mut self, context: &Context) -> Self {
        self.context = Some(context.clone());
        self
    }

    /// Address space for its stack, in bytes, instead of the loop's setting. Only touched pages use memory.
    /// With a size that cannot be, the task has failed already.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let deep = coroutine(|| Ok(std::hint::black_box([0_u8; 300 * 1024]).len()));
    /// let task = coro_core::TaskBuilder::new().stack_size(1 << 20).create(deep);
    /// assert_eq!(task.co_await()?, 300 * 1024);
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = Some(bytes);
        self
    }

    /// Whether it takes its first step at once, inside `create`, up to its first await; `eager_start=True`.
    ///
    /// Otherwise the loop's setting decides: [`EventLoop::set_eager_tasks`]. A task of a loop that does not run yet
    /// is never eager.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::run(coroutine(|| {
    /// let task = coro_core::TaskBuilder::new().eager_start(true).create(coroutine(|| Ok(6)));
    /// assert!(task.done()); // it never had to wait
    /// # Ok(()) }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn eager_start(mut self, on: bool) -> Self {
        self.eager = Some(on);
        self
    }

    /// Makes the task on the running loop. Without one, it has failed already, as with [`create_task`].
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let task = coro_core::TaskBuilder::new().name("cook").create(coroutine(|| Ok(6)));
    /// assert_eq!(task.co_await()?, 6);
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    #[track_caller]
    pub fn create<A>(self, awaitable: A) -> Task<A::Output>
    where
        A: Awaitable + 'static,
        A::Output: 'static,
    {
        let core = running_core();
        self.create_on(core, awaitable)
    }

    #[track_caller]
    pub(crate) fn create_on<A>(self, core: Result<Rc<LoopCore>>, awaitable: A) -> Task<A::Output>
    where
        A: Awaitable + 'static,
        A::Output: 'static,
    {
        let origin = awaitable.__origin().0.or_here();
        match core {
            Ok(core) if self.around.is_none() && core.task_factory.borrow().is_none() => {
                self.spawn(core, origin, awaitable)
            }
            Ok(core) => self.create_wrapped(core, origin, awaitable),
            Err(error) => self.failed(origin, awaitable, error),
        }
    }

    /// Where there is a task factory, or code around the body.
    #[cold]
    #[inline(never)] // the builder is taken apart in registers where there is none
    fn create_wrapped<A>(self, core: Rc<LoopCore>, origin: Origin, awaitable: A) -> Task<A::Output>
    where
        A: Awaitable + 'static,
        A::Output: 'static,
    {
        let mut builder = factory::ask(&core, origin, self);
        match builder.around.take() {
            None => builder.spawn(core, origin, awaitable),
            Some(around) => builder.spawn(core, origin, around.wrap(origin, awaitable)),
        }
    }

    #[inline]
    fn spawn<A>(self, core: Rc<LoopCore>, origin: Origin, awaitable: A) -> Task<A::Output>
    where
        A: Awaitable + 'static,
        A::Output: 'static,
    {
        let stack_size = self.stack_size.unwrap_or(core.stack_size.get());
        if let Err(error) = may_have_tasks(&core, stack_size) {
            return self.failed(origin, awaitable, error);
        }
        let eager = self.eager.unwrap_or(core.eager_tasks.get());
        let context = self.context.map_or_else(Slot::inheriting, Slot::of);
        let head = Head { name: self.name, origin, context, stack_size };
        Task::from_views(TaskInner::spawn(core, head, awaitable, eager))
    }

    #[cold]
    #[inline(never)]
    fn failed<A>(self, origin: Origin, awaitable: A, error: Error) -> Task<A::Output>
    where
        A: Awaitable + 'static,
        A::Output: 'static,
    {
        let context = self.context.map_or_else(Slot::inheriting, Slot::of);
        let head = Head { name: self.name, origin, context, stack_size: DEFAULT_STACK_SIZE };
        Task::from_views(TaskInner::failed(head, awaitable, error))
    }
}

/// Whether a task with such a stack can be made on the loop.
///
/// # Errors
/// The loop is closed, the thread ends, or no stack can have that size.
#[inline]
fn may_have_tasks(core: &LoopCore, stack_size: usize) -> Result<()> {
    core.check_open()?;
    check_thread()?;
    Ok(crate::stack::check_size(stack_size)?)
}

impl EventLoop {
    /// Runs `awaitable` as a task of this loop, which need not be running yet.
    ///
    /// On a closed loop, the task has failed already, with "Event loop is closed".
    ///
    /// ```
    /// use coro_core::prelude::*;
    /// let event_loop = coro_core::EventLoop::new()?;
    /// let task = event_loop.create_task(coroutine(|| Ok(6)));
    /// assert_eq!(event_loop.run_until_complete(task)?, 6);
    /// # Ok::<(), Error>(())
    /// ```
    #[track_caller]
    pub fn create_task<A>(&self, awaitable: A) -> Task<A::Output>
    where
        A: Awaitable + 'static,
        A::Output: 'static,
    {
        TaskBuilder::new().create_on(Ok(Rc::clone(&self.core)), awaitable)
    }

    /// Whether tasks take their first step at once, inside `create_task`, from now on;
    /// `loop.set_task_factory(asyncio.eager_task_factory)`.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::run(coroutine(|| {
    /// get_running_loop()?.set_eager_tasks(true);
    /// assert_eq!(create_task(coroutine(|| Ok(6))).result()?, 6);
    /// # Ok(()) }))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn set_eager_tasks(&self, on: bool) {
        self.core.eager_tasks.set(on);
    }

    /// A pending future of this loop.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// let event_loop = coro_core::EventLoop::new()?;
    /// let future = event_loop.create_future();
    /// event_loop.call_soon({ let future = future.clone(); move || future.set_result(6).unwrap() });
    /// assert_eq!(event_loop.run_until_complete(future)?, 6);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn create_future<T: 'static>(&self) -> Future<T> {
        Future::on(Rc::clone(&self.core))
    }
}

/// Runs `f` to its end even if the task is cancelled meanwhile: the cancellation is held back, and raised at the
/// next await after it. For destructors and other code that must not be cut short.
///
/// # Panics
/// With the panic of `f`.
///
/// ```
/// use coro_core::prelude::*;
/// coro_core::run(coroutine(|| {
///     let task = create_task(coroutine(|| {
///         coro_core::cleanup(|| sleep(secs(2)).co_await())?; // is not cut short
///         sleep(secs(1)).co_await()                          // is cancelled
///     }));
///     sleep(secs(1)).co_await()?;
///     task.cancel();
///     assert!(task.co_await().unwrap_err().is_cancelled());
///     Ok(())
/// }))?;
/// # Ok::<(), Error>(())
/// ```
pub fn cleanup<T>(f: impl FnOnce() -> T) -> T {
    struct Shield(Option<AnyTask>);
    impl Shield {
        fn add(&self, change: i32) {
            if let Some(task) = &self.0 {
                let shields = &task.object.control().shields;
                shields.set(shields.get().saturating_add_signed(change));
            }
        }
    }
    impl Drop for Shield {
        fn drop(&mut self) {
            self.add(-1);
        }
    }
    let shield = Shield(current_task());
    shield.add(1);
    let _open = Open::new(); // a yield would hold cancellations of the consumer back as well
    f()
}
