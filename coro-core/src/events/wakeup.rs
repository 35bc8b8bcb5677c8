//! [`Wakeup`]: what a task waits for when there is no result to come: its turn at a lock, an item in a queue, a socket
//! that is ready.
//!
//! Floor 1. It is a future of nothing, with less in it than a [`Future`](crate::Future). One that nobody else holds is
//! used again.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

use smallvec::SmallVec;

use super::{LoopCore, Runnable, Waitable};
use crate::error::{Cancelled, Error, Result};
use crate::reactor::Source;

/// How many that are not in use are kept for the next wait.
const KEPT: usize = 1024;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Status {
    Pending,
    Woken,
    Failed,
    Cancelled,
}

/// One wait of a task.
pub(crate) struct Wakeup {
    core: Rc<LoopCore>,
    status: Cell<Status>,
    /// What the wait raises, if it failed; the message, if it was cancelled with one.
    error: Cell<Option<Error>>,
    message: Cell<Option<String>>,
    waiters: RefCell<SmallVec<[Rc<dyn Runnable>; 1]>>,
}

impl Wakeup {
    /// A wait that has not ended.
    #[inline]
    pub(crate) fn new(core: Rc<LoopCore>) -> Rc<Self> {
        let spare = core.spare_wakeups.borrow_mut().pop();
        spare.unwrap_or_else(|| {
            Rc::new(Self {
                core,
                status: Cell::new(Status::Pending),
                error: Cell::default(),
                message: Cell::default(),
                waiters: RefCell::default(),
            })
        })
    }

    /// Keeps it for the next wait, if the caller alone has it, who lets go of it now.
    #[inline]
    pub(crate) fn give_back(self: &Rc<Self>) {
        let unused = Rc::strong_count(self) == 1 && self.waiters.borrow().is_empty();
        if !unused || self.core.closed.get() || self.core.spare_wakeups.borrow().len() >= KEPT {
            return;
        }
        if self.status.replace(Status::Pending) != Status::Woken {
            drop((self.error.take(), self.message.take()));
        }
        self.core.spare_wakeups.borrow_mut().push(Rc::clone(self));
    }

    /// Ends the wait. False if it had ended.
    #[inline]
    pub(crate) fn wake(&self) -> bool {
        self.settle(Status::Woken)
    }

    /// Ends the wait with `error`. False if it had ended.
    pub(crate) fn fail(&self, error: Error) -> bool {
        if self.is_done() {
            return false;
        }
        self.error.set(Some(error));
        self.settle(Status::Failed)
    }

    fn settle(&self, status: Status) -> bool {
        if self.is_done() {
            return false;
        }
        self.status.set(status);
        let mut waiters = self.waiters.borrow_mut();
        if waiters.len() == 1 {
            let only = waiters.pop();
            drop(waiters);
            only.into_iter().for_each(|waiter| self.core.push(waiter));
        } else {
            let all = std::mem::take(&mut *waiters);
            drop(waiters);
            all.into_iter().for_each(|waiter| self.core.push(waiter));
        }
        true
    }

    /// How the wait ended.
    ///
    /// # Errors
    /// That of the wait; its cancellation.
    #[inline]
    pub(crate) fn result(&self) -> Result<()> {
        match self.status.get() {
            Status::Pending | Status::Woken => Ok(()),
            Status::Failed | Status::Cancelled => self.retrieve().map_or(Ok(()), Err),
        }
    }
}

impl Source for Wakeup {
    fn ready(self: Rc<Self>) {
        self.wake();
    }
}

impl Waitable for Wakeup {
    fn is_done(&self) -> bool {
        self.status.get() != Status::Pending
    }

    fn is_cancelled(&self) -> bool {
        self.status.get() == Status::Cancelled
    }

    fn cancel(self: Rc<Self>, message: Option<String>) -> bool {
        if self.is_done() {
            return false;
        }
        self.message.set(message);
        self.settle(Status::Cancelled)
    }

    fn retrieve(&self) -> Option<Error> {
        match self.status.get() {
            Status::Pending | Status::Woken => None,
            Status::Failed => {
                let error = self.error.take();
                self.error.set(error.clone());
                error
            }
            Status::Cancelled => {
                let message = self.message.take();
                self.message.set(message.clone());
                Some(message.map_or_else(Cancelled::new, Cancelled::with_message).into())
            }
        }
    }

    fn add_waiter(self: Rc<Self>, waiter: Rc<dyn Runnable>) {
        match self.is_done() {
            true => self.core.push(waiter),
            false => self.waiters.borrow_mut().push(waiter),
        }
    }

    fn remove_waiter(&self, waiter: &Rc<dyn Runnable>) {
        let mut waiters = self.waiters.borrow_mut();
        let found = waiters.iter().position(|other| Rc::ptr_eq(other, waiter));
        let removed = found.map(|index| waiters.remove(index));
        drop(waiters);
        drop(removed);
    }

    fn event_loop(&self) -> Option<Rc<LoopCore>> {
        Some(Rc::clone(&self.core))
    }

    fn is_of(&self, core: &Rc<LoopCore>) -> bool {
        Rc::ptr_eq(&self.core, core)
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.status.get() {
            Status::Pending => "<Future pending",
            Status::Woken | Status::Failed => "<Future finished",
            Status::Cancelled => "<Future cancelled",
        })?;
        let names: Vec<String> = self.waiters.borrow().iter().map(|waiter| waiter.callback_name()).collect();
        if !names.is_empty() {
            write!(f, " cb=[{}]", names.join(", "))?;
        }
        f.write_str(">")
    }

    fn task_name(&self) -> Option<String> {
        None
    }
}
