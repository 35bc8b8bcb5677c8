//! [`FrameCallGraphEntry`]: one call of a task, as far as it is known.
//!
//! Floor: the library. A switch of stacks leaves no list of calls behind: what is known is what the task runs, and where
//! the current one asks.

use std::fmt::{self, Display};
use std::panic::Location;

use crate::definition::Origin;
use crate::events::AnyFuture;
use crate::task::current_task;

/// What is known of the calls of a task, the innermost first. `here` is where the current task asks for its own. A future
/// has none, and a task that has ended has none any more.
pub(super) fn calls(
    future: &AnyFuture,
    here: Option<&'static Location<'static>>,
) -> Vec<FrameCallGraphEntry> {
    let runs = current_task().is_some_and(|me| me.any().same(future));
    // One whose loop was closed by force is never done, but the thread has it no longer.
    let lives = !future.done() && (runs || future.0.task_key().is_some());
    let here = here.filter(|_| runs).map(FrameCallGraphEntry::at);
    let coroutine = future.0.origin().filter(|_| lives).map(FrameCallGraphEntry::of);
    here.into_iter().chain(coroutine).collect()
}

/// One entry of a call stack; `asyncio.FrameCallGraphEntry`.
/// [`FutureCallGraph::call_stack`](crate::FutureCallGraph::call_stack) and [`TaskStack`](crate::TaskStack) have them.
///
/// ```
/// # use coro_core::prelude::*;
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// let task = create_task(coroutine(|| Ok(1))); let line = line!();
/// let graph = coro_core::capture_call_graph(Some(&task))?.unwrap();
/// let entry: coro_core::FrameCallGraphEntry = graph.call_stack()[0];
/// assert_eq!(entry.to_string(), format!("File '{}', line {line}, in async coroutine()", file!()));
/// # Ok(())
/// # })).unwrap();
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameCallGraphEntry {
    name: Option<&'static str>,
    file: &'static str,
    line: u32,
}

impl FrameCallGraphEntry {
    /// A coroutine, with the line of its function.
    pub(super) fn of(origin: Origin) -> Self {
        let (file, line) = origin.place();
        Self { name: Some(origin.name()), file, line }
    }

    /// A place.
    pub(super) fn at(place: &'static Location<'static>) -> Self {
        Self { name: None, file: place.file(), line: place.line() }
    }

    /// The name of the coroutine's function; `None` for a place, of which only the line is known.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// async_fn! {
    ///     async fn boil() {}
    /// }
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let graph = coro_core::capture_call_graph(Some(&create_task(boil())))?.unwrap();
    /// assert_eq!(graph.call_stack()[0].name(), Some("boil"));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn name(&self) -> Option<&'static str> {
        self.name
    }

    /// The file and the line.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let graph = coro_core::capture_call_graph(None)?.unwrap();
    /// assert_eq!(graph.call_stack()[0].place(), (file!(), line!() - 1));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn place(&self) -> (&'static str, u32) {
        (self.file, self.line)
    }
}

impl Display for FrameCallGraphEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "File '{}', line {}", self.file, self.line)?;
        self.name.map_or(Ok(()), |name| write!(f, ", in async {name}()"))
    }
}
