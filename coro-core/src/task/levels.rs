//! Cancellations that hold as long as a block is open: what `CancelScope` is built on.
//!
//! Floor 5. A request to cancel a task is raised once. A [`Level`] that is up is raised again at every await of its
//! task, until the block that entered it is left.
//!
//! 1. The levels of a task are a list from the innermost outwards. Those behind one that shields have no effect.
//! 2. A level that is up when the task parks cancels what the task has just parked for, as a cancellation that came
//!    while the task ran does. One that comes up while the task is parked cancels what it is parked for.
//! 3. A level adds one to the task's requests when it is first raised, and takes it back when it is left: whoever
//!    compares counts, as `Timeout` does, sees that somebody else wants the block to end.
//! 4. `cleanup`, and the waits that must come to their end ([`past_levels`]), hold levels back.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::control::{AnyTask, Control};
use super::current::current_task;

/// One entry of a task's list.
#[derive(Default)]
pub(crate) struct Level {
    up: Cell<bool>,
    shield: Cell<bool>,
    /// Whether it has been raised, and is one of the task's requests.
    counted: Cell<bool>,
    outer: RefCell<Option<Rc<Level>>>,
}

/// The levels of one task. What each step looks at is at the end, as in [`Control`].
#[derive(Default)]
#[repr(C)]
pub(super) struct Levels {
    innermost: Cell<Option<Rc<Level>>>,
    /// While it is above zero, levels are held back.
    held: Cell<u32>,
    /// Whether there may be one that is up.
    any: Cell<bool>,
}

impl Levels {
    fn innermost(&self) -> Option<Rc<Level>> {
        let innermost = self.innermost.take();
        self.innermost.set(innermost.clone());
        innermost
    }
}

impl Level {
    pub(crate) fn is_up(&self) -> bool {
        self.up.get()
    }

    pub(crate) fn shields(&self) -> bool {
        self.shield.get()
    }

    fn outer(&self) -> Option<Rc<Level>> {
        self.outer.borrow().clone()
    }
}

/// The levels from `from` outwards, as far as they have an effect.
fn in_effect(from: Option<Rc<Level>>) -> impl Iterator<Item = Rc<Level>> {
    std::iter::successors(from, |level| level.outer().filter(|_| !level.shields()))
}

/// Counts all levels from `from` outwards that are up and have an effect. Gives whether there are any.
fn raise(control: &Control, from: Option<Rc<Level>>) -> bool {
    let mut raised = false;
    for level in in_effect(from).filter(|level| level.is_up()) {
        raised = true;
        if !level.counted.replace(true) {
            control.cancel_requests.set(control.cancel_requests.get() + 1);
        }
    }
    raised
}

impl Control {
    /// Whether there may be a level that is up: all that an await without them costs.
    #[inline]
    pub(super) fn levels_are_up(&self) -> bool {
        self.levels.any.get()
    }

    /// Makes the await that the task parks for now raise a cancellation, if a level says so.
    #[cold]
    pub(super) fn raise_levels(&self) {
        if self.count_levels() && !self.must_cancel.replace(true) {
            self.set_cancel_message(None); // is that of an earlier one
        }
    }

    /// Whether a level cancels what the task waits for now. It counts as raised then.
    fn count_levels(&self) -> bool {
        let levels = &self.levels;
        if levels.held.get() > 0 || self.shields.get() > 0 {
            return false;
        }
        let innermost = levels.innermost();
        raise(self, innermost)
    }
}

impl AnyTask {
    /// Opens `level` inside those that are open.
    pub(crate) fn enter_level(&self, level: &Rc<Level>) {
        let levels = &self.object.control().levels;
        let outer = levels.innermost.replace(Some(Rc::clone(level)));
        *level.outer.borrow_mut() = outer;
        if level.is_up() {
            levels.any.set(true);
        }
    }

    /// Leaves `level`. Gives whether it was raised, and nobody outside of it wants the task to end.
    ///
    /// `entered_with` is how many requests there were when it was entered.
    pub(crate) fn leave_level(&self, level: &Rc<Level>, entered_with: usize) -> bool {
        let control = self.object.control();
        let outer = level.outer.take();
        // Not always the innermost: a coroutine driven by hand is left in any order.
        let mut inner = control.levels.innermost();
        if inner.as_ref().is_some_and(|inner| Rc::ptr_eq(inner, level)) {
            control.levels.innermost.set(outer.clone());
        } else {
            while let Some(at) = inner.take() {
                let next = at.outer();
                match next {
                    Some(next) if Rc::ptr_eq(&next, level) => *at.outer.borrow_mut() = outer.clone(),
                    next => inner = next,
                }
            }
        }
        if control.levels.innermost().is_none() {
            control.levels.any.set(false);
        }
        // What the inner level lets pass is the outer one's to catch: it counts as raised.
        let outer_is_up = !level.shields() && level.counted.get() && raise(control, outer);
        let left = match level.counted.replace(false) {
            true => control.uncancel(),
            false => return false,
        };
        !outer_is_up && left as usize <= entered_with
    }

    /// Puts `level` up: every await from now on raises it.
    pub(crate) fn put_up(&self, level: &Level) {
        level.up.set(true);
        self.object.control().levels.any.set(true);
        self.deliver_levels();
    }

    /// Makes `level` shield, or no longer.
    pub(crate) fn set_shield(&self, level: &Level, on: bool) {
        level.shield.set(on);
        self.deliver_levels();
    }

    /// Cancels what the task is parked for, if a level says so.
    fn deliver_levels(&self) {
        let control = self.object.control();
        let waiting_for = control.waiting_for();
        if let Some(future) = waiting_for.filter(|future| !future.is_done())
            && control.count_levels()
        {
            future.cancel(None);
        }
    }
}

impl Level {
    /// As [`AnyTask::put_up`] and [`AnyTask::set_shield`], before it is entered.
    pub(crate) fn set(&self, up: bool, shield: bool) {
        self.up.set(up);
        self.shield.set(shield);
    }
}

/// Runs `f`, whose waits no level breaks: of an exit that has to wait for others, whatever happens. Requests to cancel
/// the task are raised in it.
pub(crate) fn past_levels<T>(f: impl FnOnce() -> T) -> T {
    struct Held(Option<AnyTask>);
    impl Drop for Held {
        fn drop(&mut self) {
            if let Some(task) = &self.0 {
                let levels = &task.object.control().levels;
                levels.held.set(levels.held.get() - 1);
            }
        }
    }
    // The list of a task without levels can stay empty only as long as nobody but the task itself enters one.
    let task = current_task().filter(|task| task.object.control().levels.innermost().is_some());
    if let Some(task) = &task {
        let levels = &task.object.control().levels;
        levels.held.set(levels.held.get() + 1);
    }
    let _held = Held(task);
    f()
}
