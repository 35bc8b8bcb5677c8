//! The end of a loop: what is scheduled is dropped, and tasks that are left are ended by force.

use std::rc::Rc;

use crate::events::LoopCore;
use crate::report;
use crate::task::tasks_of;

/// Closes the loop. Tasks are destroyed the newest first: children before those they may borrow from.
pub(crate) fn close(core: &Rc<LoopCore>) {
    if core.closed.replace(true) {
        return;
    }
    if core.debug.get() {
        report::debug(format_args!("Close {:?}", core.handle()));
    }
    for task in tasks_of(core).into_iter().rev() {
        let name = task.get_name();
        if let Err(why) = Rc::clone(&task.object).destroy() {
            report::error(format_args!("the stack of task '{name}' was leaked: {why}"));
        }
    }
    // Taken out first: dropping an entry may run a user's destructor, which may look at the loop.
    let ready = core.ready.take();
    let timers = core.timers.borrow_mut().sweep(|_| true);
    let mail = core.doors.close();
    let handler = core.exception_handler.take();
    drop((ready, timers, mail, handler));
}
