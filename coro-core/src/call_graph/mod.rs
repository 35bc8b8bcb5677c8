//! Call graphs: who waits for a task or a future, who waits for those, and so on.
//!
//! Floor: the library. An await writes nothing down for it. Who waits for a future is among those whom the future tells
//! of its end, and says there who it is (`Runnable::awaiter`). What the user records is kept here.

mod frame;
mod task_stack;

use std::cell::RefCell;
use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt::{self, Debug, Display};
use std::io::{self, Write};
use std::panic::Location;
use std::rc::{Rc, Weak};

pub use frame::FrameCallGraphEntry;
use frame::calls;
pub use task_stack::TaskStack;

use crate::combinators::AsFuture;
use crate::error::{Result, RuntimeError};
use crate::events::{AnyFuture, Waitable, running_core};
use crate::task::current_task;

/// How many levels of a graph are printed; a level is indented by four spaces more than the one before.
const DEEPEST: usize = 1_000;

/// The call graph of `future`, or of the current task; `asyncio.capture_call_graph()` of Python 3.14.
///
/// `None` if no future is given and no task runs: in a callback. The graph is that of this moment.
///
/// # Errors
/// [`RuntimeError`] if no future is given and no loop runs.
///
/// ```
/// use coro_core::{capture_call_graph, prelude::*};
/// async_fn! {
///     async fn boil() { await!(sleep(secs(1))) }
/// }
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// let egg = create_task(boil());
/// let cook = create_task(egg.future());
/// cook.set_name("cook");
/// sleep(millis(1)).co_await()?;
///
/// let graph = capture_call_graph(Some(&egg))?.unwrap();
/// assert_eq!(graph.call_stack()[0].name(), Some("boil"));
/// assert_eq!(graph.awaited_by()[0].future().task_name().as_deref(), Some("cook"));
/// # Ok(())
/// # })).unwrap();
/// ```
#[track_caller]
pub fn capture_call_graph(future: Option<&dyn AsFuture>) -> Result<Option<FutureCallGraph>> {
    let future = match future {
        Some(future) => future.as_any(),
        None => {
            let nothing = "capture_call_graph() is called outside of a running event loop and no *future* to \
                           introspect was provided";
            running_core().map_err(|_| RuntimeError::new(nothing))?;
            match current_task() {
                Some(task) => task.any(),
                None => return Ok(None),
            }
        }
    };
    Ok(Some(FutureCallGraph::of(future, Location::caller())))
}

/// [`capture_call_graph`] as text, empty where there is no graph; `asyncio.format_call_graph()` of Python 3.14.
///
/// # Errors
/// As [`capture_call_graph`].
///
/// ```
/// use coro_core::{format_call_graph, prelude::*};
/// # coro_core::run(coroutine(|| {
/// create_task(coroutine(|| {
///     eprintln!("{}", format_call_graph(None)?); // what `file=sys.stderr` does
///     Ok(())
/// }))
/// # .co_await() }))?;
/// # Ok::<(), Error>(())
/// ```
#[track_caller]
pub fn format_call_graph(future: Option<&dyn AsFuture>) -> Result<String> {
    Ok(capture_call_graph(future)?.map_or_else(String::new, |graph| graph.to_string()))
}

/// Prints what [`format_call_graph`] gives; `asyncio.print_call_graph()` of Python 3.14.
///
/// # Errors
/// As [`capture_call_graph`]; that of standard output, where nothing can be printed.
///
/// ```
/// use coro_core::{print_call_graph, prelude::*};
///
/// async_fn! {
///     async fn boil() { print_call_graph(None)?; }
///     async fn cook() { await!(gather([boil()])); }
/// }
/// coro_core::run(cook())?;
/// // * Task(name='Task-2', id=0x7f04c4001800)
/// //   + Call stack:
/// //   |   File 'src/main.rs', line 4
/// //   |   File 'src/main.rs', line 4, in async boil()
/// //   + Awaited by:
/// //     * Task(name='Task-1', id=0x7f04c4000bd0)
/// //       + Call stack:
/// //       |   File 'src/main.rs', line 5, in async cook()
/// # Ok::<(), Error>(())
/// ```
#[track_caller]
pub fn print_call_graph(future: Option<&dyn AsFuture>) -> Result<()> {
    Ok(writeln!(io::stdout(), "{}", format_call_graph(future)?)?)
}

/// A task or a future, and who waits for it; `asyncio.FutureCallGraph`. [`capture_call_graph`] makes it.
///
/// A clone shares its content. Its `Display` output is what [`format_call_graph`] gives.
///
/// Who waits is a task that awaits it, also by `gather`, `wait`, `shield` or in an `async` block, the task of the group
/// that it is in, and what [`future_add_to_awaited_by`] was told of. Who waits for a lock or a queue, or at
/// `as_completed`, waits for no task in particular.
///
/// ```
/// # use coro_core::prelude::*;
/// use coro_core::{FutureCallGraph, capture_call_graph};
/// /// The names of all tasks that wait for this one in the end.
/// fn last(graph: &FutureCallGraph) -> Vec<String> {
///     match &*graph.awaited_by() {
///         [] => graph.future().task_name().into_iter().collect(),
///         waiting => waiting.iter().flat_map(last).collect(),
///     }
/// }
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// let egg = create_task(sleep(secs(1)));
/// let (ada, bob) = (create_task(shield(egg.future())), create_task(shield(egg.future())));
/// ada.set_name("ada");
/// bob.set_name("bob");
/// sleep(millis(1)).co_await()?;
/// assert_eq!(last(&capture_call_graph(Some(&egg))?.unwrap()), ["ada", "bob"]);
/// # Ok(())
/// # })).unwrap();
/// ```
#[derive(Clone)]
pub struct FutureCallGraph {
    /// A chain of tasks may be long: it is neither built, printed nor dropped by recursion.
    nodes: Rc<Vec<Node>>,
    index: usize,
}

#[derive(Clone)]
struct Node {
    future: AnyFuture,
    call_stack: Vec<FrameCallGraphEntry>,
    awaited_by: Vec<usize>,
}

impl FutureCallGraph {
    fn of(future: AnyFuture, here: &'static Location<'static>) -> Self {
        let root = Node::new(future, Some(here));
        let mut known = HashMap::from([(address(&root.future), 0)]);
        // Those from the root to where we are, each with who waits for it and was not looked at yet.
        let mut path = vec![(0, awaiters(&root.future).into_iter())];
        let mut on_path = HashSet::from([0]);
        let mut nodes = vec![root];
        while let Some((index, left)) = path.last_mut() {
            let index = *index;
            let Some(awaiter) = left.next() else {
                on_path.remove(&index);
                path.pop();
                continue;
            };
            let known_at = known.get(&address(&awaiter)).copied();
            let at = match known_at {
                Some(at) if !on_path.contains(&at) => at,
                _ => {
                    let at = nodes.len();
                    // One that is on the path waits for itself in the end: nobody is said to wait for it again.
                    if known_at.is_none() {
                        known.insert(address(&awaiter), at);
                        path.push((at, awaiters(&awaiter).into_iter()));
                        on_path.insert(at);
                    }
                    nodes.push(Node::new(awaiter, None));
                    at
                }
            };
            nodes[index].awaited_by.push(at);
        }
        Self { nodes: Rc::new(nodes), index: 0 }
    }

    fn node(&self) -> &Node {
        &self.nodes[self.index]
    }

    /// The task or future that it is about.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let graph = coro_core::capture_call_graph(None)?.unwrap();
    /// assert!(graph.future().same(&coro_core::current_task().unwrap().any()));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn future(&self) -> &AnyFuture {
        &self.node().future
    }

    /// What is known of the calls of the task, the innermost first.
    ///
    /// That is the coroutine that it runs, with the line where its function stands. If the current task asks for its
    /// own graph, the place where it does so comes first. A coroutine that is awaited is called as any function is,
    /// and the calls between are on the stack alone, where a debugger finds them. A future has no calls, and a task
    /// that has ended has none any more.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// async_fn! {
    ///     async fn boil() {
    ///         let graph = coro_core::capture_call_graph(None)?.unwrap();
    ///         let [here, coro] = graph.call_stack() else { unreachable!() };
    ///         assert_eq!((here.name(), here.place()), (None, (file!(), line!() - 2)));
    ///         assert_eq!(coro.to_string(), format!("File '{}', line {}, in async boil()", file!(), line!() - 4));
    ///     }
    /// }
    /// # coro_core::run(boil())?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn call_stack(&self) -> &[FrameCallGraphEntry] {
        &self.node().call_stack
    }

    /// Who waits for it, each with who waits for that one. One that waits for itself in the end comes once more where
    /// the circle closes, and nobody waits for it there.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// TaskGroup::scope(|group| {
    ///     let egg = group.create_task(sleep(secs(1))).any_task();
    ///     let graph = coro_core::capture_call_graph(Some(&egg))?.unwrap();
    ///     assert!(graph.awaited_by()[0].future().same(&coro_core::current_task().unwrap().any()));
    ///     Ok(())
    /// })?;
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn awaited_by(&self) -> Vec<FutureCallGraph> {
        let other = |&index| Self { nodes: Rc::clone(&self.nodes), index };
        self.node().awaited_by.iter().map(other).collect()
    }

    /// With so many entries of each call stack at most: the outermost of them, or the innermost if `limit` is negative;
    /// the argument `limit` of asyncio's functions.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let graph = coro_core::capture_call_graph(None)?.unwrap();
    /// let (innermost, outermost) = (graph.clone().limit(-1), graph.clone().limit(1));
    /// assert_eq!(innermost.call_stack()[0].name(), None);
    /// assert_eq!(outermost.call_stack()[0].name(), Some("coroutine"));
    /// assert!(graph.limit(0).call_stack().is_empty());
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn limit(mut self, limit: isize) -> Self {
        let most = limit.unsigned_abs();
        for Node { call_stack, .. } in Rc::make_mut(&mut self.nodes) {
            match limit < 0 {
                true => call_stack.truncate(most),
                false => drop(call_stack.drain(..call_stack.len().saturating_sub(most))),
            }
        }
        self
    }
}

impl Node {
    fn new(future: AnyFuture, here: Option<&'static Location<'static>>) -> Self {
        Self { call_stack: calls(&future, here), future, awaited_by: Vec::new() }
    }
}

impl Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = address(&self.future);
        match self.future.task_name() {
            Some(name) => write!(f, "* Task(name='{name}', id={id:p})"),
            None => write!(f, "* Future(id={id:p})"),
        }
    }
}

impl Display for FutureCallGraph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = HashSet::new();
        let mut left = vec![(self.index, 0)];
        let mut separator = "";
        while let Some((index, level)) = left.pop() {
            let node = &self.nodes[index];
            let indent = 4 * level;
            write!(f, "{separator}{:indent$}{node}", "")?;
            separator = "\n";
            if !node.call_stack.is_empty() {
                write!(f, "\n{:indent$}  + Call stack:", "")?;
            }
            for entry in &node.call_stack {
                write!(f, "\n{:indent$}  |   {entry}", "")?;
            }
            let id = address(&node.future);
            if shown.contains(&id) {
                write!(f, "\n{:indent$}  + Awaited by: see above", "")?;
            } else if !node.awaited_by.is_empty() {
                shown.insert(id);
                write!(f, "\n{:indent$}  + Awaited by:", "")?;
                match level < DEEPEST {
                    true => left.extend(node.awaited_by.iter().rev().map(|&index| (index, level + 1))),
                    false => f.write_str(" …")?,
                }
            }
        }
        Ok(())
    }
}

impl Debug for FutureCallGraph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let awaited_by: Vec<&AnyFuture> =
            self.node().awaited_by.iter().map(|&index| &self.nodes[index].future).collect();
        f.debug_struct("FutureCallGraph")
            .field("future", self.future())
            .field("call_stack", &self.call_stack())
            .field("awaited_by", &awaited_by)
            .finish()
    }
}

/// Tells futures apart; Python's `id`.
type Id = *const ();

fn address(future: &AnyFuture) -> Id {
    Rc::as_ptr(&future.0).cast()
}

/// Who waits for `future`, each once. A future that only stands between, as that of a `gather` does, is left out: who
/// waits for it counts.
fn awaiters(future: &AnyFuture) -> Vec<AnyFuture> {
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    let mut between = VecDeque::from([future.clone()]);
    while let Some(future) = between.pop_front() {
        let waiting = future.0.waiters().into_iter().filter_map(|waiter| waiter.awaiter());
        let (tasks, others): (Vec<AnyFuture>, Vec<AnyFuture>) =
            waiting.partition(|waiter| waiter.0.origin().is_some());
        let mut is_new = |future: &AnyFuture| seen.insert(address(future));
        between.extend(others.into_iter().filter(&mut is_new));
        found.extend(tasks.into_iter().chain(recorded(&future)).filter(&mut is_new));
    }
    found
}

struct Record {
    /// While it is here, no other future has its address.
    future: Weak<dyn Waitable>,
    waiters: Vec<Weak<dyn Waitable>>,
}

/// What the user says of futures that he settles by callbacks. Nothing is kept alive by it.
#[derive(Default)]
struct Recorded {
    of: HashMap<Id, Record>,
    /// At how many futures it is looked who of them is gone.
    full: usize,
}

thread_local! {
    static RECORDED: RefCell<Recorded> = RefCell::default();
}

/// Calls `f`, which does not call the user's code, with what was recorded. At the end of the thread that is gone.
fn with_recorded<R: Default>(f: impl FnOnce(&mut Recorded) -> R) -> R {
    RECORDED.try_with(|recorded| f(&mut recorded.borrow_mut())).unwrap_or_default()
}

fn recorded(future: &AnyFuture) -> Vec<AnyFuture> {
    with_recorded(|recorded| {
        let waiters = recorded.of.get(&address(future)).into_iter().flat_map(|record| &record.waiters);
        waiters.filter_map(Weak::upgrade).map(AnyFuture).collect()
    })
}

fn is_alive(future: &Weak<dyn Waitable>) -> bool {
    future.strong_count() > 0
}

/// Records for call graphs that `waiter` waits for `future`; `asyncio.future_add_to_awaited_by()` of Python 3.14.
///
/// For code that goes on by [`add_done_callback`](crate::Future::add_done_callback): nobody knows who waits behind it.
/// [`future_discard_from_awaited_by`] takes it back, and it ends when one of the two is dropped. Recording it again
/// changes nothing.
///
/// ```
/// # use coro_core::prelude::*;
/// use coro_core::{Future, capture_call_graph, future_add_to_awaited_by, future_discard_from_awaited_by};
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// let (egg, meal) = (Future::<u32>::new(), Future::<u32>::new());
/// egg.add_done_callback({ let meal = meal.clone(); move |egg| meal.set_result(egg.result().unwrap()).unwrap() });
/// future_add_to_awaited_by(&egg, &meal);
/// assert!(capture_call_graph(Some(&egg))?.unwrap().awaited_by()[0].future().same(&meal.any()));
///
/// future_discard_from_awaited_by(&egg, &meal);
/// assert!(capture_call_graph(Some(&egg))?.unwrap().awaited_by().is_empty());
/// # Ok(())
/// # })).unwrap();
/// ```
pub fn future_add_to_awaited_by(future: &dyn AsFuture, waiter: &dyn AsFuture) {
    let (future, waiter) = (future.as_any(), waiter.as_any());
    with_recorded(|recorded| {
        if recorded.of.len() > recorded.full {
            recorded.of.retain(|_, record| is_alive(&record.future));
            recorded.full = 2 * recorded.of.len();
        }
        let new = || Record { future: Rc::downgrade(&future.0), waiters: Vec::new() };
        let Record { waiters, .. } = recorded.of.entry(address(&future)).or_insert_with(new);
        waiters.retain(is_alive);
        if !waiters.iter().any(|other| is(other, &waiter)) {
            waiters.push(Rc::downgrade(&waiter.0));
        }
    });
}

/// Takes back what [`future_add_to_awaited_by`] has recorded, if it has; `asyncio.future_discard_from_awaited_by()` of
/// Python 3.14.
///
/// ```
/// # use coro_core::prelude::*;
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// let (egg, meal) = (coro_core::Future::<u32>::new(), coro_core::Future::<u32>::new());
/// coro_core::future_add_to_awaited_by(&egg, &meal);
/// coro_core::future_discard_from_awaited_by(&egg, &meal);
/// assert!(coro_core::capture_call_graph(Some(&egg))?.unwrap().awaited_by().is_empty());
/// # Ok(())
/// # })).unwrap();
/// ```
pub fn future_discard_from_awaited_by(future: &dyn AsFuture, waiter: &dyn AsFuture) {
    let (future, waiter) = (future.as_any(), waiter.as_any());
    with_recorded(|recorded| {
        let Some(Record { waiters, .. }) = recorded.of.get_mut(&address(&future)) else { return };
        waiters.retain(|other| !is(other, &waiter));
        if waiters.is_empty() {
            recorded.of.remove(&address(&future));
        }
    });
}

fn is(weak: &Weak<dyn Waitable>, future: &AnyFuture) -> bool {
    std::ptr::addr_eq(weak.as_ptr(), Rc::as_ptr(&future.0))
}
