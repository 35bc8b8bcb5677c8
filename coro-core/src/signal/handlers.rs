//! `add_signal_handler`: callbacks of a loop for signals, and who listens beside them.

use std::panic::Location;
use std::rc::Rc;

use super::SignalKind;
use super::table::{Role, Subscription};
use crate::error::Result;
use crate::events::{EventLoop, LoopCore, SignalEntry, SignalHandler, SignalListener};

impl EventLoop {
    /// Runs `callback` in the loop whenever the signal has come; `loop.add_signal_handler(sig, callback)`. A handler
    /// that this loop has for the signal is replaced.
    ///
    /// The callback cannot await, but may make tasks; it runs in a copy of the present context. One that panics is
    /// told to the exception handler, and is called again. It is called once for each time that the operating system
    /// delivers the signal.
    ///
    /// While any loop of the process has a handler for a signal, what the signal did before does not happen; that
    /// includes what [`run`](crate::run) does at a Ctrl-C. Several loops, on any threads, may handle the same signal:
    /// all of them are told. [`remove_signal_handler`](Self::remove_signal_handler) and closing the loop end it, and
    /// with the last one the former disposition comes back. A child of a fork is not handled for: there the
    /// signal does what it did before.
    ///
    /// A loop with a handler is not deadlocked. A virtual clock does not wait for signals.
    ///
    /// # Errors
    /// [`ValueError`](crate::ValueError) for a number that is no signal; [`RuntimeError`](crate::RuntimeError)
    /// "SIGKILL cannot be caught", also for SIGSTOP and for faults such as SIGSEGV; "Event loop is closed".
    ///
    /// ```
    /// use coro_core::{signal::SignalKind, prelude::*};
    /// use std::rc::Rc;
    ///
    /// coro_core::run(coroutine(|| {
    ///     let stop = Rc::new(Event::new());
    ///     let handler = { let stop = stop.clone(); move || stop.set() };
    ///     get_running_loop()?.add_signal_handler(SignalKind::terminate(), handler)?;
    ///     # unsafe extern "C" { safe fn raise(signal: i32) -> i32; }
    ///     raise(15); // as `kill` does from outside
    ///     stop.wait().co_await()?;
    ///     Ok(())
    /// }))?;
    /// # Ok::<(), Error>(())
    /// ```
    #[track_caller]
    pub fn add_signal_handler(&self, kind: SignalKind, callback: impl FnMut() + 'static) -> Result<()> {
        let signal = kind.checked()?;
        self.core.check_open()?;
        let handler = Rc::new(SignalHandler::new(Location::caller(), Box::new(callback)));
        let entry = entry(&self.core, signal)?;
        let old = entry.handler.replace(Some(handler));
        drop(old);
        Ok(())
    }

    /// Ends what [`add_signal_handler`](Self::add_signal_handler) began. Whether there was a handler; on a closed loop
    /// there is none.
    ///
    /// ```
    /// # use coro_core::{signal::SignalKind, prelude::*};
    /// # coro_core::RunBuilder::new().virtual_clock().run(coroutine(|| {
    /// let event_loop = get_running_loop()?;
    /// event_loop.add_signal_handler(SignalKind::terminate(), || ())?;
    /// assert!(event_loop.remove_signal_handler(SignalKind::terminate()));
    /// assert!(!event_loop.remove_signal_handler(SignalKind::terminate()));
    /// # Ok(())
    /// # })).unwrap();
    /// ```
    pub fn remove_signal_handler(&self, kind: SignalKind) -> bool {
        let Ok(signal) = kind.checked() else { return false };
        let Some(entry) = self.core.signals.borrow().get(&signal).cloned() else { return false };
        let handler = entry.handler.take();
        let found = handler.is_some();
        drop_if_idle(&self.core, signal, entry);
        drop(handler);
        found
    }
}

/// What the loop holds of the signal, which is made if nothing was there.
fn entry(core: &LoopCore, signal: u8) -> Result<Rc<SignalEntry>> {
    if let Some(entry) = core.signals.borrow().get(&signal) {
        return Ok(Rc::clone(entry));
    }
    let subscription = Subscription::new(signal, &core.doors, Role::Handler)?;
    let entry = Rc::new(SignalEntry::new(subscription));
    core.signals.borrow_mut().insert(signal, Rc::clone(&entry));
    Ok(entry)
}

/// Gives the signal back if nobody of this loop wants it.
fn drop_if_idle(core: &LoopCore, signal: u8, entry: Rc<SignalEntry>) {
    if entry.is_idle() {
        let kept = core.signals.borrow_mut().remove(&signal);
        drop(kept);
    }
    drop(entry);
}

/// Tells `listener` of the signal from now on.
pub(super) fn listen(core: &LoopCore, signal: u8, listener: Rc<dyn SignalListener>) -> Result<()> {
    core.check_open()?;
    entry(core, signal)?.listeners.borrow_mut().push(listener);
    Ok(())
}

/// Ends what [`listen`] began.
pub(super) fn unlisten(core: &LoopCore, signal: u8, listener: &Rc<dyn SignalListener>) {
    let Some(entry) = core.signals.borrow().get(&signal).cloned() else { return };
    entry.listeners.borrow_mut().retain(|other| !Rc::ptr_eq(other, listener));
    drop_if_idle(core, signal, entry);
}
