//! What transports and listeners wait with: [`Watch`], one side of a channel, and [`Soon`], a step in the next round.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::rc::Rc;

use super::channel::Channel;
use crate::context::Context;
use crate::events::{LoopCore, Runnable};
use crate::io::{Armed, Io, Side};

/// Who is told that a side is ready.
pub(super) trait WhenReady {
    fn ready(self: Rc<Self>, side: Side);
}

/// Waits for one side, again and again. While it does so, it keeps alive whom it will tell.
pub(super) struct Watch(Rc<Waiting>);

struct Waiting {
    side: Side,
    armed: RefCell<Option<Armed>>,
    told: RefCell<Option<Rc<dyn WhenReady>>>,
    /// How many entries of the ready queue came too late to be taken back.
    stale: Cell<usize>,
    context: Context,
}

impl Watch {
    pub(super) fn new(side: Side, context: &Context) -> Self {
        let context = context.clone();
        let waiting = Waiting {
            side,
            armed: RefCell::default(),
            told: RefCell::default(),
            stale: Cell::new(0),
            context,
        };
        Self(Rc::new(waiting))
    }

    pub(super) fn is_armed(&self) -> bool {
        self.0.armed.borrow().is_some()
    }

    /// Tells `told` once when the side is ready, if that is not under way.
    pub(super) fn arm(
        &self,
        core: &Rc<LoopCore>,
        io: &Io<Channel>,
        told: Rc<dyn WhenReady>,
    ) -> io::Result<()> {
        if self.is_armed() || core.closed.get() {
            return Ok(());
        }
        let armed = io.when_ready(core, self.0.side, Rc::clone(&self.0) as Rc<dyn Runnable>)?;
        self.0.armed.replace(Some(armed));
        self.0.told.replace(Some(told));
        Ok(())
    }

    /// Tells nobody.
    pub(super) fn disarm(&self) {
        let (armed, told) = (self.0.armed.take(), self.0.told.take());
        if armed.as_ref().is_some_and(Armed::has_fired) {
            self.0.stale.set(self.0.stale.get() + 1);
        }
        drop((armed, told));
    }
}

impl Runnable for Waiting {
    fn run(self: Rc<Self>, _: &Rc<LoopCore>) {
        if self.stale.get() > 0 {
            return self.stale.set(self.stale.get() - 1);
        }
        let (armed, told) = (self.armed.take(), self.told.take());
        drop(armed);
        if let Some(told) = told {
            let _entered = self.context.enter();
            told.ready(self.side);
        }
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.side {
            Side::Read => "<Handle of what can be read>",
            Side::Write => "<Handle of what can be written>",
        })
    }
}

/// Something of the library's own that runs in the next round, in the present context.
pub(super) struct Soon<F> {
    step: Cell<Option<F>>,
    context: Context,
    name: &'static str,
}

/// Runs `step` in the next round; `loop.call_soon`.
pub(crate) fn soon<F: FnOnce() + 'static>(core: &LoopCore, name: &'static str, step: F) {
    core.push(Rc::new(Soon { step: Cell::new(Some(step)), context: Context::copied(), name }));
}

impl<F: FnOnce()> Runnable for Soon<F> {
    fn run(self: Rc<Self>, _: &Rc<LoopCore>) {
        if let Some(step) = self.step.take() {
            let _entered = self.context.enter();
            step();
        }
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<Handle {}()>", self.name)
    }
}
