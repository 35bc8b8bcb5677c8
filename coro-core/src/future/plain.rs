//! `Plain`: a future that is no task.
//!
//! Floor 4.

use std::fmt;
use std::rc::Rc;

use super::{Future, FutureObject, FutureState, by_state};
use crate::error::Error;
use crate::events::{LoopCore, Waitable, running_core};

type CancelHook = Rc<dyn Fn(Option<String>) -> bool>;

/// A future that is no task.
struct Plain<T> {
    state: FutureState<T>,
    /// What `cancel` does in place of settling it, for a future that stands for others.
    cancel_hook: Option<CancelHook>,
}

impl<T> Plain<T> {
    fn new(state: FutureState<T>) -> Self {
        Self { state, cancel_hook: None }
    }
}

impl<T: 'static> Waitable for Plain<T> {
    fn cancel(self: Rc<Self>, message: Option<String>) -> bool {
        match &self.cancel_hook {
            Some(_) if self.state.is_done() => false,
            Some(hook) => hook(message),
            None => Future { inner: self as Rc<dyn FutureObject<T>> }.settle_cancelled(message),
        }
    }

    by_state!();

    fn task_name(&self) -> Option<String> {
        None
    }
}

impl<T: 'static> FutureObject<T> for Plain<T> {
    fn state(&self) -> &FutureState<T> {
        &self.state
    }

    fn fmt_head(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Future ")?;
        self.state.fmt_status(f)
    }
}

impl<T> Drop for Plain<T> {
    fn drop(&mut self) {
        if self.state.has_unseen() {
            self.state.report_unseen("Future exception was never retrieved", "<Future finished");
        }
    }
}

impl<T: 'static> Future<T> {
    pub(crate) fn on(core: Rc<LoopCore>) -> Self {
        Self { inner: Rc::new(Plain::new(FutureState::pending(core))) }
    }

    /// A future for which `cancel` calls `hook` instead.
    pub(crate) fn with_cancel_hook(
        core: Rc<LoopCore>,
        hook: impl Fn(Option<String>) -> bool + 'static,
    ) -> Self {
        let plain = Plain { state: FutureState::pending(core), cancel_hook: Some(Rc::new(hook)) };
        Self { inner: Rc::new(plain) }
    }

    pub(crate) fn failed(error: Error) -> Self {
        Self { inner: Rc::new(Plain::new(FutureState::failed(error, running_core().ok()))) }
    }
}
