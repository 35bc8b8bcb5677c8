//! The end of a loop: what is scheduled is dropped, and tasks that are left are ended by force.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;

use crate::events::{LoopCore, enter_running};
use crate::report;
use crate::task::tasks_of;

/// The last handle of the user is gone: closes the loop, if that was not done.
pub(super) fn close_dropped(core: &Rc<LoopCore>) {
    if !core.closed.get() {
        core.report_unclosed(format_args!("event loop {:?}", core.handle()));
    }
    close(core);
}

/// Closes the loop. Tasks are destroyed the newest first: children before those they may borrow from.
pub(crate) fn close(core: &Rc<LoopCore>) {
    if core.closed.replace(true) {
        return;
    }
    if core.debug.get() {
        report::debug(format_args!("Close {:?}", core.handle()));
    }
    // Destructors find the loop that their task belonged to, closed.
    let _running = enter_running(core);
    let mut first_panic = None;
    for task in tasks_of(core).into_iter().rev() {
        let name = task.get_name();
        match catch_unwind(AssertUnwindSafe(|| Rc::clone(&task.object).destroy())) {
            Ok(Ok(())) => {}
            Ok(Err(why)) => report::error(format_args!("the stack of task '{name}' was leaked: {why}")),
            Err(payload) => first_panic = first_panic.or(Some(payload)),
        }
    }
    // Taken out first: dropping an entry may run a user's destructor, which may look at the loop.
    let ready = core.ready.take();
    let timers = core.timers.borrow_mut().sweep(|_| true);
    let mail = core.doors.close();
    let handler = (core.exception_handler.take(), core.task_factory.take());
    let executor = (core.executor.take(), core.jobs_waiters.take());
    let spare = core.spare_wakeups.take();
    drop(spare);
    #[cfg(unix)]
    let watches = core.watches.take();
    let signals = core.signals.take();
    let resources = core.resources.take();
    for resource in resources.iter().filter_map(|(_, resource)| resource.upgrade()) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| resource.loop_closed())) {
            first_panic = first_panic.or(Some(payload));
        }
    }
    drop((ready, timers, mail, handler, executor, signals));
    #[cfg(unix)]
    drop(watches);
    match first_panic {
        // A destructor of a task panicked; the others have been ended all the same.
        Some(payload) if !std::thread::panicking() => resume_unwind(payload),
        _ => {}
    }
}
