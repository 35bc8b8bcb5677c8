//! Task factories: what decides how the tasks of a loop are made.
//!
//! Floor 5. A coroutine has a type of its own, so that no function kept by the loop could take any of them. A factory
//! sees what is known of it, and changes how the task is to be made; code around the body is given apart.

use std::cell::Cell;
use std::fmt::{self, Debug};
use std::rc::Rc;

use super::TaskBuilder;
use super::borrowed::Quiet;
use super::control::CoroInfo;
use crate::context::Context;
use crate::coroutine::{Awaitable, BoxCoroutine, Coroutine};
use crate::definition::Origin;
use crate::error::{Result, RuntimeError};
use crate::events::{EventLoop, LoopCore};
use crate::fiber;

/// What [`EventLoop::set_task_factory`] was given, as [`EventLoop::get_task_factory`] gives it back.
///
/// ```
/// # use coro_core::prelude::*;
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// let event_loop = get_running_loop()?;
/// event_loop.set_task_factory(|_, coro, task| task.name(format!("task of {}", coro.name())));
/// // Another one, which goes on to the first:
/// let first: coro_core::TaskFactory = event_loop.get_task_factory().unwrap();
/// event_loop.set_task_factory(move |event_loop, coro, task| first(event_loop, coro, task).eager_start(true));
/// let task = create_task(coroutine(|| Ok(6)));
/// assert_eq!((task.get_name().as_str(), task.done()), ("task of coroutine", true));
/// # Ok(())
/// # })).unwrap();
/// ```
pub type TaskFactory = Rc<dyn Fn(&EventLoop, CoroInfo, TaskBuilder) -> TaskBuilder>;

/// A factory as the loop keeps it.
struct Installed {
    factory: TaskFactory,
    /// It runs now: tasks that it makes are made without it.
    busy: Cell<bool>,
}

fn installed(core: &LoopCore) -> Option<Rc<Installed>> {
    let kept = core.task_factory.borrow().clone()?;
    kept.downcast().ok()
}

/// What the loop's factory makes of `builder`.
pub(super) fn ask(core: &Rc<LoopCore>, origin: Origin, builder: TaskBuilder) -> TaskBuilder {
    struct Busy<'a>(&'a Cell<bool>);
    impl Drop for Busy<'_> {
        fn drop(&mut self) {
            self.0.set(false);
        }
    }
    let Some(installed) = installed(core).filter(|installed| !installed.busy.replace(true)) else {
        return builder;
    };
    let _busy = Busy(&installed.busy);
    let event_loop = core.handle();
    fiber::barrier("in a task factory", || (installed.factory)(&event_loop, CoroInfo { origin }, builder))
}

type Wrapper = Box<dyn FnOnce(&mut dyn FnMut() -> Result<()>) -> Result<()>>;

/// What runs around the body of a task, the innermost first.
#[derive(Default)]
pub(super) struct Around(Vec<Wrapper>);

impl Around {
    /// `awaitable` with all of that around it.
    pub(super) fn wrap<A>(self, origin: Origin, awaitable: A) -> BoxCoroutine<A::Output>
    where
        A: Awaitable + 'static,
        A::Output: 'static,
    {
        let mut body = Quiet(Some(awaitable));
        Coroutine::with_origin(origin, move || {
            let body = &mut body; // the whole of it is moved in here
            let (mut value, mut raised) = (None, None);
            let mut run = || {
                let Some(awaitable) = body.0.take() else {
                    return Err(RuntimeError::new("the body of a task runs once").into());
                };
                match awaitable.co_await() {
                    Ok(output) => value = Some(output),
                    Err(error) => {
                        raised = Some(error.clone());
                        return Err(error);
                    }
                }
                Ok(())
            };
            nest(self.0, &mut run)?;
            match (value, raised) {
                (Some(value), _) => Ok(value),
                (None, Some(error)) => Err(error), // there is no value to go on with
                (None, None) => Err(RuntimeError::new("what was put around a task did not run it").into()),
            }
        })
        .boxed()
    }
}

/// Runs the last wrapper around the others, which are around `run`.
fn nest(mut wrappers: Vec<Wrapper>, run: &mut dyn FnMut() -> Result<()>) -> Result<()> {
    match wrappers.pop() {
        None => run(),
        Some(outer) => {
            let mut inner = Some(wrappers);
            outer(&mut || match inner.take() {
                Some(wrappers) => nest(wrappers, run),
                None => run(), // a second time: it says so
            })
        }
    }
}

impl Debug for Around {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} closures", self.0.len())
    }
}

impl TaskBuilder {
    /// Runs `wrapper` as the task, around its body, which it calls; for what a task factory does in asyncio by wrapping
    /// the coroutine. A later `around` is outside of an earlier one.
    ///
    /// It may await, before and after. The body gives its error, if it raised one; what `wrapper` raises is what the task
    /// raises. It cannot swallow the body's error: there would be no result. A task made from a std future runs on a
    /// stack then.
    ///
    /// # Errors
    /// The task fails with [`RuntimeError`] if `wrapper` does not call the body; a second call gets one too.
    ///
    /// # Cancellation
    /// It is raised at the await that the task stands at, in `wrapper` or in the body. A task that is cancelled before
    /// its first step runs neither.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let (said, heard) = std::sync::mpsc::channel();
    /// let timed = coro_core::TaskBuilder::new().around(move |body| {
    ///     let start = get_running_loop()?.time();
    ///     let result = body();
    ///     said.send(get_running_loop()?.time() - start).unwrap();
    ///     result
    /// });
    /// assert_eq!(timed.create(coroutine(|| { sleep(secs(3)).co_await()?; Ok(6) })).co_await()?, 6);
    /// assert_eq!(heard.recv().unwrap(), secs(3));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn around(
        mut self,
        wrapper: impl FnOnce(&mut dyn FnMut() -> Result<()>) -> Result<()> + 'static,
    ) -> Self {
        self.around.get_or_insert_default().0.push(Box::new(wrapper));
        self
    }

    /// The name that was given, if one was.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// use coro_core::TaskBuilder;
    /// assert_eq!(TaskBuilder::new().name("cook").get_name(), Some("cook"));
    /// assert_eq!(TaskBuilder::new().get_name(), None);
    /// ```
    pub fn get_name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The context that was given, if one was.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// use coro_core::{Context, TaskBuilder};
    /// assert!(TaskBuilder::new().context(&Context::new()).get_context().is_some());
    /// assert!(TaskBuilder::new().get_context().is_none());
    /// ```
    pub fn get_context(&self) -> Option<&Context> {
        self.context.as_ref()
    }
}

impl EventLoop {
    /// Lets `factory` decide how the tasks of this loop are made from now on, those of groups, of
    /// [`gather`](crate::gather) and the main task included; `loop.set_task_factory()`.
    ///
    /// It gets the loop, what is known of the coroutine, and the builder with what the caller said: it gives it back
    /// with a name, a context, an eager start, or with code [around](TaskBuilder::around) the body. It cannot await. A
    /// panic in it goes on in the one who creates the task. Tasks that it creates itself are made without it.
    ///
    /// ```
    /// use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// get_running_loop()?.set_task_factory(|_, coro, task| {
    ///     let name = task.get_name().map_or_else(|| format!("one of {}", coro.name()), str::to_owned);
    ///     task.name(name).around(|body| {
    ///         body().inspect_err(|error| eprintln!("{:?}: {error}", coro_core::current_task()))
    ///     })
    /// });
    /// let egg = create_task(coroutine(|| Ok("egg")));
    /// assert_eq!(egg.get_name(), "one of coroutine");
    /// assert_eq!(egg.co_await()?, "egg");
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn set_task_factory(
        &self,
        factory: impl Fn(&EventLoop, CoroInfo, TaskBuilder) -> TaskBuilder + 'static,
    ) {
        let installed = Installed { factory: Rc::new(factory), busy: Cell::new(false) };
        let old = self.core.task_factory.replace(Some(Rc::new(installed)));
        drop(old);
    }

    /// Lets tasks be made as they are; `set_task_factory(None)`.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let event_loop = get_running_loop()?;
    /// event_loop.set_task_factory(coro_core::eager_task_factory);
    /// event_loop.reset_task_factory();
    /// assert!(!create_task(coroutine(|| Ok(6))).done());
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn reset_task_factory(&self) {
        let old = self.core.task_factory.take();
        drop(old);
    }

    /// The factory that was set, if one was.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let event_loop = get_running_loop()?;
    /// assert!(event_loop.get_task_factory().is_none());
    /// event_loop.set_task_factory(coro_core::eager_task_factory);
    /// assert!(event_loop.get_task_factory().is_some());
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn get_task_factory(&self) -> Option<TaskFactory> {
        installed(&self.core).map(|installed| Rc::clone(&installed.factory))
    }
}

/// A task factory whose tasks take their first step when they are made, unless the caller said otherwise;
/// `asyncio.eager_task_factory`.
///
/// [`EventLoop::set_eager_tasks`] does the same, and leaves the factory to others.
///
/// ```
/// # use coro_core::prelude::*;
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// get_running_loop()?.set_task_factory(coro_core::eager_task_factory);
/// assert_eq!(create_task(coroutine(|| Ok(6))).result()?, 6);
/// # Ok(())
/// # })).unwrap();
/// ```
pub fn eager_task_factory(_: &EventLoop, _: CoroInfo, task: TaskBuilder) -> TaskBuilder {
    match task.eager {
        None => task.eager_start(true),
        Some(_) => task,
    }
}
