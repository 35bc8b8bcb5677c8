//! [`Wakeup`]: what a task waits for when there is no result to come: its turn at a lock, an item in a queue, a socket
//! that is ready, the end of its sleep.
//!
//! Floor 1. It is a future of nothing, with less in it than a [`Future`](crate::Future). One that nobody else holds is
//! used again.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;

use super::{LoopCore, Runnable, Waitable};
use crate::error::{Cancelled, Error, Result};
use crate::prefetch::prefetch_around;
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

/// What is told of an end that is no wake-up.
enum Ending {
    Failed(Error),
    /// The cancellation had a message.
    Message(String),
}

type Waiters = Vec<Rc<dyn Runnable>>;

/// What few waits have.
#[derive(Default)]
struct Rare {
    ending: Option<Ending>,
    /// Who else waits: only drivers by hand let several wait for the same.
    others: Waiters,
}

/// One wait of a task.
pub(crate) struct Wakeup {
    core: Rc<LoopCore>,
    status: Cell<Status>,
    /// The task that waits.
    waiter: Cell<Option<Rc<dyn Runnable>>>,
    rare: Cell<Option<Box<Rare>>>,
}

impl Wakeup {
    /// A wait that has not ended.
    #[inline]
    pub(crate) fn new(core: &Rc<LoopCore>) -> Rc<Self> {
        let spare = core.spare_wakeups.borrow_mut().pop();
        spare.unwrap_or_else(|| {
            Rc::new(Self {
                core: Rc::clone(core),
                status: Cell::new(Status::Pending),
                waiter: Cell::default(),
                rare: Cell::default(),
            })
        })
    }

    /// Keeps it for the next wait, if the caller alone has it, who lets go of it now.
    #[inline]
    pub(crate) fn give_back(self: &Rc<Self>) {
        let unused = Rc::strong_count(self) == 1;
        if !unused || self.core.closed.get() || self.core.spare_wakeups.borrow().len() >= KEPT {
            return;
        }
        if self.status.replace(Status::Pending) != Status::Woken {
            self.forget();
        }
        self.core.spare_wakeups.borrow_mut().push(Rc::clone(self));
    }

    #[cold]
    fn forget(&self) {
        drop((self.waiter.take(), self.rare.take()));
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
        self.with_rare(|rare| rare.ending = Some(Ending::Failed(error)));
        self.settle(Status::Failed)
    }

    #[inline]
    fn settle(&self, status: Status) -> bool {
        if self.is_done() {
            return false;
        }
        self.status.set(status);
        if let Some(waiter) = self.waiter.take() {
            self.core.push(waiter);
        }
        if let Some(rare) = self.rare.take() {
            self.wake_others(rare);
        }
        true
    }

    #[cold]
    fn wake_others(&self, mut rare: Box<Rare>) {
        let others = std::mem::take(&mut rare.others);
        self.rare.set(Some(rare));
        others.into_iter().for_each(|waiter| self.core.push(waiter));
    }

    /// For what is rare: it is made if it is not there.
    fn with_rare<R>(&self, f: impl FnOnce(&mut Rare) -> R) -> R {
        let mut rare = self.rare.take().unwrap_or_default();
        let result = f(&mut rare);
        self.rare.set(Some(rare));
        result
    }

    /// What the wait ended with.
    #[cold]
    fn error(&self) -> Option<Error> {
        let rare = self.rare.take();
        let error = match rare.as_ref().and_then(|rare| rare.ending.as_ref()) {
            Some(Ending::Failed(error)) => error.clone(),
            Some(Ending::Message(message)) => Cancelled::with_message(message.clone()).into(),
            None => Cancelled::new().into(),
        };
        self.rare.set(rare);
        Some(error)
    }

    #[cold]
    fn add_other(&self, waiter: Rc<dyn Runnable>) {
        self.with_rare(|rare| rare.others.push(waiter));
    }

    /// Takes all who wait out, in their order.
    fn take_waiters(&self) -> Waiters {
        let others = self.with_rare(|rare| std::mem::take(&mut rare.others));
        self.waiter.take().into_iter().chain(others).collect()
    }

    fn set_waiters(&self, waiters: Waiters) {
        let mut waiters = waiters.into_iter();
        self.waiter.set(waiters.next());
        self.with_rare(|rare| rare.others = waiters.collect());
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

/// The timer of a sleep: ends the wait, unless it has ended.
impl Runnable for Wakeup {
    fn prefetch(&self) {
        prefetch_around(self, 0, size_of::<Self>());
    }

    fn run(self: Rc<Self>, _: &Rc<LoopCore>) {
        self.wake();
    }

    fn is_cancelled(&self) -> bool {
        self.is_done()
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Waitable::describe(self, f)
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
        if let Some(message) = message {
            self.with_rare(|rare| rare.ending = Some(Ending::Message(message)));
        }
        self.settle(Status::Cancelled)
    }

    fn retrieve(&self) -> Option<Error> {
        match self.status.get() {
            Status::Pending | Status::Woken => None,
            Status::Failed | Status::Cancelled => self.error(),
        }
    }

    fn add_waiter(&self, waiter: Rc<dyn Runnable>) {
        if self.is_done() {
            return self.core.push(waiter);
        }
        match self.waiter.take() {
            None => self.waiter.set(Some(waiter)),
            first => {
                self.waiter.set(first);
                self.add_other(waiter);
            }
        }
    }

    fn remove_waiter(&self, waiter: &Rc<dyn Runnable>) {
        let mut waiters = self.take_waiters();
        let found = waiters.iter().position(|other| Rc::ptr_eq(other, waiter));
        let removed = found.map(|index| waiters.remove(index));
        self.set_waiters(waiters);
        drop(removed);
    }

    fn waiters(&self) -> Vec<Rc<dyn Runnable>> {
        let waiters = self.take_waiters();
        self.set_waiters(waiters.clone());
        waiters
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
        let names: Vec<String> = self.waiters().iter().map(|waiter| waiter.callback_name()).collect();
        if !names.is_empty() {
            write!(f, " cb=[{}]", names.join(", "))?;
        }
        f.write_str(">")
    }

    fn task_name(&self) -> Option<String> {
        None
    }
}
