//! What a loop does when a signal has come: [`SignalEntry`], and how it is called.
//!
//! Floor 1. Who asks the operating system for signals is `signal/`; here is what the loop holds, and what its rounds
//! call. As in asyncio a signal takes two rounds: in the first it is read, in the second its callback runs.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::panic::Location;
use std::rc::{Rc, Weak};

use super::{LoopCore, Runnable, callback};
use crate::context::Context;

/// All signals that a loop handles, by their number.
pub(crate) type SignalEntries = RefCell<BTreeMap<u8, Rc<SignalEntry>>>;

/// Who is told of one signal. Dropping it gives the signal back.
pub(crate) struct SignalEntry {
    pub(crate) handler: RefCell<Option<Rc<SignalHandler>>>,
    pub(crate) listeners: RefCell<Vec<Rc<dyn SignalListener>>>,
    #[expect(dead_code, reason = "held for its Drop")]
    subscription: Box<dyn Any>,
}

impl SignalEntry {
    pub(crate) fn new(subscription: impl Any) -> Self {
        let subscription = Box::new(subscription);
        Self { handler: RefCell::default(), listeners: RefCell::default(), subscription }
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.handler.borrow().is_none() && self.listeners.borrow().is_empty()
    }
}

/// What waits for signals. It takes note, and schedules: no code of a user runs in it.
pub(crate) trait SignalListener {
    fn heard(&self, signal: u8);
}

/// The callback that a user gave for a signal.
pub(crate) struct SignalHandler {
    /// Not there while it runs.
    callback: Cell<Option<Box<dyn FnMut()>>>,
    context: Context,
    location: &'static Location<'static>,
}

impl SignalHandler {
    pub(crate) fn new(location: &'static Location<'static>, callback: Box<dyn FnMut()>) -> Self {
        Self { callback: Cell::new(Some(callback)), context: Context::copied(), location }
    }

    fn call(&self) {
        /// Puts the callback back, after a panic too.
        struct PutBack<'a>(&'a SignalHandler, Option<Box<dyn FnMut()>>);
        impl Drop for PutBack<'_> {
            fn drop(&mut self) {
                self.0.callback.set(self.1.take());
            }
        }
        let mut callback = PutBack(self, self.callback.take());
        if let Some(callback) = &mut callback.1 {
            callback();
        }
    }
}

/// The signals of one look: tells who is to be told; asyncio's `_read_from_self()`.
struct Deliver {
    signals: Vec<u8>,
    core: Weak<LoopCore>,
}

impl Runnable for Deliver {
    fn run(self: Rc<Self>, _: &Rc<LoopCore>) {
        let Some(core) = self.core.upgrade() else { return };
        for signal in &self.signals {
            // None: it came just before it was given back.
            let Some(entry) = core.signals.borrow().get(signal).cloned() else { continue };
            let handler = entry.handler.borrow().clone();
            if let Some(handler) = handler {
                let (context, location) = (handler.context.clone(), handler.location);
                core.push(callback(&core, context, location, move || handler.call()));
            }
            let listeners = entry.listeners.borrow().clone();
            listeners.iter().for_each(|listener| listener.heard(*signal));
        }
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<Handle of signals>")
    }
}

impl LoopCore {
    /// Schedules what signals that have come call for. Whether there were any.
    pub(crate) fn take_signals(self: &Rc<Self>) -> bool {
        let signals = self.doors.arrivals.collect();
        if signals.is_empty() {
            return false;
        }
        self.push(Rc::new(Deliver { signals, core: Rc::downgrade(self) }));
        true
    }
}
