//! [`TaskStack`]: the calls of a task, or the places that its error came by.
//!
//! Floor: the library. The words and the order are those of asyncio's `base_tasks.py`.

use std::fmt::{self, Display};
use std::ops::Deref;
use std::panic::Location;

use super::{FrameCallGraphEntry, calls};
use crate::error::Error;
use crate::report;
use crate::task::{AnyTask, Task};

/// What is known of the calls of a task, the newest last; [`Task::get_stack`] and [`AnyTask::get_stack`] give it.
///
/// It is a slice of entries. Its `Display` output is what [`Task::print_stack`] prints: `write!` puts it elsewhere, as
/// the argument `file` of asyncio does.
///
/// The entries are those of the moment when it was made. The output describes the task as it is when that is asked for.
///
/// ```
/// # use coro_core::prelude::*;
/// use std::io::Write;
/// async_fn! {
///     async fn boil() { await!(sleep(secs(1))) }
/// }
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// let egg = create_task(boil());
/// let stack: coro_core::TaskStack = egg.get_stack();
/// assert_eq!((stack.len(), stack[0].name()), (1, Some("boil")));
///
/// let mut file = Vec::new();
/// writeln!(file, "{stack}")?;
/// let (source, line) = egg.get_coro().place();
/// let expected = format!(
///     "Stack for <Task pending name='Task-2' coro=<boil() running at {source}:{line}>> (most recent call last):
///   File \"{source}\", line {line}, in boil
/// "
/// );
/// assert_eq!(String::from_utf8(file)?, expected);
/// # Ok(())
/// # })).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct TaskStack {
    task: AnyTask,
    /// The newest last, as in a traceback.
    frames: Vec<FrameCallGraphEntry>,
    /// What the task has failed with.
    error: Option<Error>,
}

impl TaskStack {
    fn of(task: AnyTask, here: &'static Location<'static>) -> Self {
        let error = task.object.failure();
        let frames = match &error {
            None => calls(&task.any(), Some(here)).into_iter().rev().collect(),
            Some(error) => {
                let coroutine = task.object.origin().map(FrameCallGraphEntry::of);
                // The place of a panic is where it was caught: a place of ours.
                let raised = (!error.is_panic()).then(|| FrameCallGraphEntry::at(error.location()));
                coroutine.into_iter().chain(raised).collect()
            }
        };
        Self { task, frames, error }
    }

    /// With so many entries at most: the newest of a stack, the oldest of a traceback; the argument `limit` of
    /// `get_stack()` and `print_stack()`.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let stack = coro_core::current_task().unwrap().get_stack();
    /// assert_eq!(stack.len(), 2);
    /// assert_eq!(stack.clone().limit(1)[..], stack[1..]); // where it was asked for
    ///
    /// let failed = create_task(coroutine(|| -> Result<()> { raise!("burnt") }));
    /// coro_core::wait([&failed]).co_await()?;
    /// let traceback = failed.get_stack();
    /// assert_eq!(traceback.clone().limit(1)[..], traceback[..1]); // the coroutine
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn limit(mut self, limit: usize) -> Self {
        match self.error {
            Some(_) => self.frames.truncate(limit),
            None => drop(self.frames.drain(..self.frames.len().saturating_sub(limit))),
        }
        self
    }
}

impl Deref for TaskStack {
    type Target = [FrameCallGraphEntry];

    fn deref(&self) -> &[FrameCallGraphEntry] {
        &self.frames
    }
}

impl IntoIterator for TaskStack {
    type Item = FrameCallGraphEntry;
    type IntoIter = std::vec::IntoIter<FrameCallGraphEntry>;

    fn into_iter(self) -> Self::IntoIter {
        self.frames.into_iter()
    }
}

impl<'a> IntoIterator for &'a TaskStack {
    type Item = &'a FrameCallGraphEntry;
    type IntoIter = std::slice::Iter<'a, FrameCallGraphEntry>;

    fn into_iter(self) -> Self::IntoIter {
        self.frames.iter()
    }
}

impl Display for TaskStack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { task, frames, error } = self;
        match (frames.is_empty(), error) {
            (true, _) => write!(f, "No stack for {task:?}")?,
            (false, None) => write!(f, "Stack for {task:?} (most recent call last):")?,
            (false, Some(_)) => write!(f, "Traceback for {task:?} (most recent call last):")?,
        }
        for frame in self {
            let (file, line) = frame.place();
            write!(f, "\n  File \"{file}\", line {line}")?;
            frame.name().map_or(Ok(()), |name| write!(f, ", in {name}"))?;
        }
        let Some(error) = error else { return Ok(()) };
        write!(f, "\n{}", error.type_name())?;
        match error.to_string() {
            nothing if nothing.is_empty() => Ok(()),
            message => write!(f, ": {message}"),
        }
    }
}

impl AnyTask {
    /// What is known of its calls, the newest last; `task.get_stack()`.
    ///
    /// As [`Task::get_stack`].
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// async_fn! {
    ///     async fn boil() { await!(sleep(secs(1))) }
    /// }
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// create_task(boil());
    /// for task in coro_core::all_tasks()? {
    ///     println!("{}", task.get_stack()); // what `file=sys.stdout` does
    /// }
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    #[track_caller]
    pub fn get_stack(&self) -> TaskStack {
        TaskStack::of(self.clone(), Location::caller())
    }

    /// Prints what is known of its calls to standard error; `task.print_stack()`.
    ///
    /// As [`Task::print_stack`].
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// coro_core::current_task().unwrap().print_stack(); // two entries: main, and this line
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    #[track_caller]
    pub fn print_stack(&self) {
        let text = self.get_stack().to_string(); // first: the error of a task is of the user's type
        report::tell(format_args!("{text}"));
    }
}

impl<T: 'static> Task<T> {
    /// What is known of its calls, the newest last; `task.get_stack()`. [`TaskStack::limit`] has fewer of them.
    ///
    /// - Of a task that has not ended: the coroutine that it runs, with the line where its function stands. What that
    ///   waits for is not followed, as in asyncio. If the task itself asks, the place where it does so comes last.
    /// - Of one that has failed: the coroutine, and the place where its error was [raised](Error::location), which
    ///   is not known of a panic. The error does not count as retrieved by that.
    /// - Of one that has a result or was cancelled, or whose loop was closed before its end: nothing.
    ///
    /// ```
    /// # use coro_core::prelude::*;
    /// async_fn! {
    ///     async fn boil(egg: u32) {
    ///         await!(sleep(secs(1)));
    ///         if egg == 2 { raise!("egg {egg} is cracked"); }
    ///     }
    /// }
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let eggs = [create_task(boil(1)), create_task(boil(2))];
    /// assert_eq!(eggs[0].get_stack()[0].name(), Some("boil"));
    ///
    /// coro_core::wait(&eggs).co_await()?;
    /// assert!(eggs[0].get_stack().is_empty());
    /// let [coro, raised] = eggs[1].get_stack()[..] else { unreachable!() };
    /// assert_eq!((coro.name(), raised.name()), (Some("boil"), None));
    /// assert_eq!(raised.place().1, eggs[1].exception()?.unwrap().location().line());
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    #[track_caller]
    pub fn get_stack(&self) -> TaskStack {
        self.any_task().get_stack()
    }

    /// Prints what is known of its calls to standard error; `task.print_stack()`.
    ///
    /// That is the `Display` output of [`get_stack`](Self::get_stack), which also goes elsewhere, or with a
    /// [limit](TaskStack::limit). Sources are not read, so that the text of the lines is not there.
    ///
    /// ```
    /// use coro_core::prelude::*;
    ///
    /// async_fn! {
    ///     async fn boil() { raise!("the egg is cracked"); }
    ///     async fn cook() {
    ///         let egg = create_task(boil());
    ///         egg.print_stack();
    ///         await!(sleep(secs(1)));
    ///         egg.print_stack();
    ///     }
    /// }
    /// # coro_core::RunBuilder::new().virtual_clock().run(cook())?;
    /// // Stack for <Task pending name='Task-2' coro=<boil() running at src/main.rs:4>> (most recent call last):
    /// //   File "src/main.rs", line 4, in boil
    /// // Traceback for <Task finished name='Task-2' coro=<boil() done, …> exception=…> (most recent call last):
    /// //   File "src/main.rs", line 4, in boil
    /// //   File "src/main.rs", line 4
    /// // Error: the egg is cracked
    /// # Ok::<(), Error>(())
    /// ```
    #[track_caller]
    pub fn print_stack(&self) {
        self.any_task().print_stack();
    }
}
