//! [`FutureState`]: the slot of a future or task, and how it is settled.
//!
//! Floor 4.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

use super::Future;
use super::callback::{Callback, Callbacks, Others};
use crate::error::{Cancelled, Error, InvalidState, Result};
use crate::events::{ExceptionContext, LoopCore, Runnable, default_exception_handler};

pub(super) enum Slot<T> {
    Pending,
    Value(T),
    Taken,
    Failed(Error),
    Cancelled(Option<Box<Message>>),
}

/// Of a cancellation. Boxed, since few have one, and every future has room for it.
pub(super) struct Message(pub(super) String);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Status {
    Pending,
    Finished,
    Failed,
    Cancelled,
}

/// The result slot of a future or task.
pub(crate) struct FutureState<T> {
    status: Cell<Status>,
    pub(super) slot: RefCell<Slot<T>>,
    callbacks: Cell<Callbacks<T>>,
    core: Option<Rc<LoopCore>>,
    /// Set while there is an exception that nobody has looked at.
    unseen: Cell<bool>,
}

impl<T> FutureState<T> {
    pub(crate) fn pending(core: Rc<LoopCore>) -> Self {
        Self::with(Status::Pending, Slot::Pending, Some(core))
    }

    /// The state of a future that failed before it began. It is not reported: the caller holds it.
    pub(crate) fn failed(error: Error, core: Option<Rc<LoopCore>>) -> Self {
        Self::with(Status::Failed, Slot::Failed(error), core)
    }

    fn with(status: Status, slot: Slot<T>, core: Option<Rc<LoopCore>>) -> Self {
        Self {
            status: Cell::new(status),
            slot: RefCell::new(slot),
            callbacks: Cell::default(),
            core,
            unseen: Cell::new(false),
        }
    }

    pub(crate) fn core(&self) -> Option<&Rc<LoopCore>> {
        self.core.as_ref()
    }

    pub(crate) fn is_done(&self) -> bool {
        self.status.get() != Status::Pending
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.status.get() == Status::Cancelled
    }

    #[inline]
    pub(crate) fn failure(&self) -> Option<Error> {
        match self.status.get() {
            Status::Pending | Status::Finished => None,
            Status::Failed | Status::Cancelled => match &*self.slot.borrow() {
                Slot::Failed(error) => Some(error.clone()),
                Slot::Cancelled(message) => {
                    Some(cancelled_error(message.as_ref().map(|message| message.0.clone())))
                }
                _ => None,
            },
        }
    }

    #[inline]
    pub(crate) fn retrieve(&self) -> Option<Error> {
        self.unseen.set(false);
        self.failure()
    }

    /// Calls `f` with those who are to be told; `f` does not call the user's code.
    #[inline]
    pub(super) fn with_callbacks<R>(&self, f: impl FnOnce(&mut Callbacks<T>) -> R) -> R {
        let mut callbacks = self.callbacks.take();
        let result = f(&mut callbacks);
        std::mem::forget(self.callbacks.replace(callbacks)); // of what was taken there is nothing left to drop
        result
    }

    /// Takes out everything that was to be told when it is done, to be dropped.
    pub(crate) fn forget_callbacks(&self) -> impl Sized + use<T> {
        self.callbacks.take()
    }

    pub(crate) fn add_waiter(&self, waiter: Rc<dyn Runnable>) {
        match &self.core {
            _ if !self.is_done() => self.with_callbacks(|callbacks| callbacks.push(Callback::Waiter(waiter))),
            Some(core) => core.push(waiter),
            None => {}
        }
    }

    pub(crate) fn remove_waiter(&self, waiter: &Rc<dyn Runnable>) {
        let removed = self.with_callbacks(|callbacks| callbacks.remove_waiter(waiter));
        drop(removed);
    }

    pub(crate) fn waiters(&self) -> Vec<Rc<dyn Runnable>> {
        self.with_callbacks(|callbacks| callbacks.waiters())
    }

    pub(crate) fn fmt_status(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.status.get() {
            Status::Pending => "pending",
            Status::Finished | Status::Failed => "finished",
            Status::Cancelled => "cancelled",
        })
    }

    /// The end of the `Debug` output: the exception, then the callbacks.
    pub(crate) fn fmt_tail(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let (Status::Failed, Some(error)) = (self.status.get(), self.failure()) {
            f.write_str(" exception=")?;
            error.fmt_repr(f)?;
        }
        let names = self.with_callbacks(|callbacks| callbacks.names());
        match &*names {
            [] => Ok(()),
            [first, more @ .., last] if !more.is_empty() => {
                write!(f, " cb=[{first}, <{} more>, {last}]", more.len())
            }
            few => write!(f, " cb=[{}]", few.join(", ")),
        }
    }
}

impl<T> FutureState<T> {
    /// Tells the exception handler of an exception that nobody looked at.
    pub(crate) fn report_unseen(&self, message: &str, head: &str) {
        struct Tail<'a, T>(&'a str, &'a FutureState<T>);
        impl<T> fmt::Display for Tail<'_, T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.0)?;
                self.1.fmt_tail(f)?;
                f.write_str(">")
            }
        }
        let context = ExceptionContext {
            message: message.to_owned(),
            exception: self.retrieve(),
            future: Some(Tail(head, self).to_string()),
            handle: None,
        };
        match &self.core {
            Some(core) => core.call_exception_handler(&context),
            None => default_exception_handler(&context),
        }
    }

    pub(crate) fn has_unseen(&self) -> bool {
        self.unseen.get()
    }
}

impl<T: 'static> Future<T> {
    pub(crate) fn settle_value(&self, value: T) -> Result<()> {
        self.settle(Status::Finished, Slot::Value(value))
    }

    pub(crate) fn settle_failed(&self, error: Error) -> Result<()> {
        self.settle(Status::Failed, Slot::Failed(error))?;
        self.state().unseen.set(true);
        Ok(())
    }

    /// Cancels it as a future is cancelled: at once. False if it was done.
    pub(crate) fn settle_cancelled(&self, message: Option<String>) -> bool {
        let message = message.map(|message| Box::new(Message(message)));
        self.settle(Status::Cancelled, Slot::Cancelled(message)).is_ok()
    }

    fn settle(&self, status: Status, slot: Slot<T>) -> Result<()> {
        match self.state().fill(status, slot) {
            Ok(others) => {
                others.into_iter().for_each(|others| self.schedule_all(*others));
                Ok(())
            }
            Err(_) => Err(InvalidState::new("invalid state").into()),
        }
    }
}

impl<T: 'static> FutureState<T> {
    /// Settles it, which is pending; `future` is for those who are told of more than its end.
    #[inline]
    pub(crate) fn finish(&self, value: T, future: impl FnOnce() -> Future<T>) {
        match self.fill(Status::Finished, Slot::Value(value)) {
            Ok(None) => {}
            Ok(Some(others)) => future().schedule_all(*others),
            Err(_) => debug_assert!(false, "it is pending"),
        }
    }

    /// Puts the result in, and schedules the first who waits. Gives who else is to be told, or `slot` if it was done.
    #[inline]
    fn fill(&self, status: Status, slot: Slot<T>) -> std::result::Result<Option<Box<Others<T>>>, Slot<T>> {
        if self.is_done() {
            return Err(slot);
        }
        let _ = self.slot.replace(slot);
        self.status.set(status);
        let Callbacks { first, others } = self.callbacks.take();
        if let (Some(first), Some(core)) = (first, &self.core) {
            core.push(first);
        }
        Ok(others)
    }
}

pub(crate) fn cancelled_error(message: Option<String>) -> Error {
    Error::new(message.map_or_else(Cancelled::new, Cancelled::with_message))
}

/// The methods of `Waitable` that only ask the state, for types with a field `state` and a `fmt_head`.
macro_rules! by_state {
    () => {
        fn is_done(&self) -> bool {
            self.state.is_done()
        }

        fn is_cancelled(&self) -> bool {
            self.state.is_cancelled()
        }

        fn retrieve(&self) -> Option<$crate::Error> {
            self.state.retrieve()
        }

        fn add_waiter(&self, waiter: std::rc::Rc<dyn $crate::events::Runnable>) {
            self.state.add_waiter(waiter);
        }

        fn remove_waiter(&self, waiter: &std::rc::Rc<dyn $crate::events::Runnable>) {
            self.state.remove_waiter(waiter);
        }

        fn waiters(&self) -> Vec<std::rc::Rc<dyn $crate::events::Runnable>> {
            self.state.waiters()
        }

        fn event_loop(&self) -> Option<std::rc::Rc<$crate::events::LoopCore>> {
            self.state.core().cloned()
        }

        fn is_of(&self, core: &std::rc::Rc<$crate::events::LoopCore>) -> bool {
            self.state.core().is_some_and(|own| std::rc::Rc::ptr_eq(own, core))
        }

        fn describe(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("<")?;
            self.fmt_head(f)?;
            self.state.fmt_tail(f)?;
            f.write_str(">")
        }
    };
}
pub(crate) use by_state;
