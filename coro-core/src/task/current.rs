//! Who is running: the task whose step it is.
//!
//! Floor 5. The one who runs a step holds the task, so that here a pointer is enough.
#![allow(unsafe_code)] // makes a handle of the pointer

use std::cell::Cell;
use std::marker::PhantomData;
use std::rc::Rc;

use super::control::{AnyTask, TaskObject};
use crate::context::{InSlot, OutOfSlot, leave_slot};

type Pointer = *const dyn TaskObject;

thread_local! {
    static CURRENT: Cell<Option<Pointer>> = const { Cell::new(None) };
}

/// Makes `task` the current one until the guard is dropped. Where another one may be, [`leave_task`] comes first.
#[inline(always)]
pub(super) fn enter_task<T: TaskObject + 'static>(task: &Rc<T>) -> InTask<'_> {
    debug_assert!(CURRENT.get().is_none(), "a step in a step");
    let pointer: Pointer = Rc::<T>::as_ptr(task);
    CURRENT.set(Some(pointer));
    InTask { _context: task.control().context.enter(), _task: PhantomData }
}

/// Then no task is the current one. The task that it was made for cannot go before it.
pub(super) struct InTask<'a> {
    _context: InSlot<'a>,
    _task: PhantomData<&'a dyn TaskObject>,
}

impl Drop for InTask<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        CURRENT.set(None);
    }
}

/// Makes no task the current one until the guard is dropped: for steps that are taken within a step.
pub(crate) fn leave_task() -> OutOfTask {
    OutOfTask { before: CURRENT.take(), _context: leave_slot() }
}

/// Makes the former task the current one again.
pub(crate) struct OutOfTask {
    before: Option<Pointer>,
    _context: OutOfSlot,
}

impl Drop for OutOfTask {
    fn drop(&mut self) {
        CURRENT.set(self.before);
    }
}

/// The task that runs now; `asyncio.current_task()`. `None` in a callback and outside a loop.
///
/// ```
/// # use coro_core::prelude::*;
/// assert!(coro_core::current_task().is_none());
/// let name = coro_core::run(coroutine(|| Ok(coro_core::current_task().unwrap().get_name())))?;
/// assert_eq!(name, "Task-1");
/// # Ok::<(), Error>(())
/// ```
pub fn current_task() -> Option<AnyTask> {
    CURRENT.get().map(|task| {
        // SAFETY: the pointer is that of an `Rc`, by `enter_task`, and the guard that was made then, which still lives,
        // borrows an `Rc` of the same task: there is one reference at least, and one more is made here.
        let object = unsafe {
            Rc::increment_strong_count(task);
            Rc::from_raw(task)
        };
        AnyTask { object }
    })
}
