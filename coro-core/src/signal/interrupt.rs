//! Ctrl-C under `run`: the first SIGINT cancels the main task.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::Ordering;

use super::table::{self, Role, Subscription};
use crate::events::LoopCore;

/// Handles Ctrl-C until it is dropped.
pub(crate) struct InterruptGuard {
    core: Rc<LoopCore>,
    subscription: Option<Subscription>,
    /// Whether the first one came too late to be acted on.
    too_late: Rc<Cell<bool>>,
}

/// Calls `cancel` from the loop at the first SIGINT; it says whether there was anything left to cancel. Off the main
/// thread of the program it does nothing.
pub(crate) fn cancel_on_interrupt(
    core: &Rc<LoopCore>,
    cancel: impl Fn() -> bool + 'static,
) -> InterruptGuard {
    // A signal that cannot be handled is left alone.
    let subscription = match table::on_main_thread() {
        true => Subscription::new(table::INTERRUPT, &core.doors, Role::Main).ok().flatten(),
        false => None,
    };
    let too_late = Rc::new(Cell::new(false));
    if subscription.is_some() {
        let too_late = Rc::clone(&too_late);
        *core.interrupt_hook.borrow_mut() = Some(Rc::new(move || too_late.set(!cancel())));
    }
    InterruptGuard { core: Rc::clone(core), subscription, too_late }
}

impl Drop for InterruptGuard {
    fn drop(&mut self) {
        let hook = self.core.interrupt_hook.take();
        drop(hook);
        let handled = self.subscription.take().is_some();
        let unread = handled && self.core.doors.interrupts.swap(0, Ordering::SeqCst) > 0;
        if unread || self.too_late.get() {
            table::raise(table::INTERRUPT);
        }
    }
}
