//! The four states of a generator, and what it delegates to.

use crate::harness::{trace, yielded};
use coro_core::{FrameState, SharedGenerator, prelude::*};
use std::cell::RefCell;
use std::rc::Rc;

type Own = Rc<RefCell<Option<SharedGenerator<u32, (), ()>>>>;

async_fn! {
    fn inner(own: Own) yields u32 {
        let me = own.take();
        trace!("inside: {}", me.map(|me| name_of(me.state())).unwrap_or_default());
        yield!(1);
    }

    fn outer(own: Own) yields u32 {
        yield_from!(inner(own));
    }
}

/// `GEN_CREATED` and its like.
fn name_of(state: FrameState) -> String {
    format!("GEN_{state:?}").to_uppercase()
}

pub fn scenario() -> Result<()> {
    let own = Own::default();
    let g = outer(Rc::clone(&own)).shared();
    *own.borrow_mut() = Some(g.clone());
    trace!("{}", name_of(g.state()));
    yielded(g.start())?;
    trace!("{} {}", name_of(g.state()), g.state() == FrameState::Running);
    g.close()?;
    trace!("{}", name_of(g.state()));
    Ok(())
}
