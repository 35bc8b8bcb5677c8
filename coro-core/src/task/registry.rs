//! The tasks of this thread that have not ended.
//!
//! Floor 5.

use std::cell::RefCell;
use std::rc::Rc;

use slab::Slab;

use super::control::{AnyTask, Control, UNREGISTERED};
use crate::error::{Result, RuntimeError};
use crate::events::{LoopCore, Waitable, running_core};
use crate::report;

/// Each task is in a page of its own, and a processor knows the places of about so many pages.
const MANY: usize = 2048;

thread_local! {
    /// All tasks of this thread that have not ended: the loop's strong references.
    static TASKS: RefCell<Tasks> = const { RefCell::new(Tasks(Slab::new())) };
}

struct Tasks(Slab<AnyTask>);

impl Drop for Tasks {
    /// The thread ends, and a loop with these tasks was never closed. The thread-locals that they would need
    /// to be ended are going: they are leaked, with all they own.
    fn drop(&mut self) {
        let tasks: Vec<AnyTask> = self.0.drain().collect();
        if let [task, others @ ..] = &*tasks {
            let others = match others.len() {
                0 => String::new(),
                others => format!("\nand {others} more"),
            };
            report::error(format_args!(
                "a task was leaked: its thread ended before its loop was closed\ntask: {task:?}{others}"
            ));
        }
        tasks.into_iter().for_each(std::mem::forget);
    }
}

pub(super) fn register(task: AnyTask) {
    TASKS.with_borrow_mut(|Tasks(tasks)| {
        let entry = tasks.vacant_entry();
        task.object.control().key.set(u32::try_from(entry.key()).unwrap_or(UNREGISTERED));
        entry.insert(task);
    });
}

pub(super) fn unregister(control: &Control) {
    let key = control.key.replace(UNREGISTERED);
    if key != UNREGISTERED {
        let task = TASKS.try_with(|tasks| tasks.borrow_mut().0.try_remove(key as usize));
        drop(task);
    }
}

/// The task that `future` is, if it has not ended.
pub(super) fn task_of(future: &dyn Waitable) -> Option<AnyTask> {
    let key = future.task_key()?;
    TASKS.try_with(|tasks| tasks.borrow().0.get(key as usize).cloned()).ok().flatten()
}

/// Whether the tasks of this thread are too many for the processor to have what a step looks at in its caches.
pub(crate) fn are_many() -> bool {
    TASKS.try_with(|tasks| tasks.borrow().0.len() >= MANY).unwrap_or_default()
}

/// Whether this thread can still have tasks.
///
/// # Errors
/// [`RuntimeError`] while the destructors of its thread-locals run.
#[inline]
pub(crate) fn check_thread() -> Result<()> {
    let ending = |_| RuntimeError::new("the thread is ending: it can have no tasks any more");
    Ok(TASKS.try_with(|_| ()).map_err(ending)?)
}

/// All tasks of the running loop that have not ended, the oldest first; `asyncio.all_tasks()`.
///
/// # Errors
/// [`RuntimeError`](crate::RuntimeError) without a running loop.
///
/// ```
/// # use coro_core::prelude::*;
/// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
/// create_task(sleep(secs(1))).set_name("nap");
/// let names: Vec<String> = coro_core::all_tasks()?.iter().map(|task| task.get_name()).collect();
/// assert_eq!(names, ["Task-1", "nap"]);
/// # Ok(())
/// # })).unwrap();
/// ```
pub fn all_tasks() -> Result<Vec<AnyTask>> {
    Ok(tasks_of(&running_core()?))
}

pub(crate) fn tasks_of(core: &Rc<LoopCore>) -> Vec<AnyTask> {
    // At the end of the thread they are gone already, each with a report that its stack was leaked.
    let all = TASKS.try_with(|tasks| tasks.borrow().0.iter().map(|(_, task)| task.clone()).collect());
    let all: Vec<AnyTask> = all.unwrap_or_default();
    let belongs = |task: &AnyTask| task.object.event_loop().is_some_and(|own| Rc::ptr_eq(&own, core));
    let mut tasks: Vec<AnyTask> = all.into_iter().filter(belongs).collect();
    tasks.sort_by_key(AnyTask::number);
    tasks
}
