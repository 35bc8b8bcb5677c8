//! A generator cannot be stepped, thrown into or closed from inside itself.

use crate::harness::{KeyError, show, trace, yielded};
use coro_core::{SharedGenerator, ValueError, prelude::*};
use std::cell::RefCell;
use std::rc::Rc;

type Shared = SharedGenerator<&'static str, (), ()>;

async_fn! {
    fn selfish(own: Rc<RefCell<Option<Shared>>>) yields &'static str {
        let acts: [fn(&Shared) -> Result<()>; 3] = [
            |g| g.send(()).map(drop),
            |g| g.throw(KeyError::new("k").into()).map(drop),
            |g| g.close().map(drop),
        ];
        let me = own.take();
        for act in acts {
            match me.as_ref().map_or(Ok(()), act) {
                Err(e) if e.is::<ValueError>() => trace!("{}", show(&e)),
                other => other?,
            }
        }
        yield!("survived");
    }
}

pub fn scenario() -> Result<()> {
    let own = Rc::new(RefCell::new(None));
    let g = selfish(Rc::clone(&own)).shared();
    *own.borrow_mut() = Some(g.clone());
    trace!("{}", yielded(g.start())?.unwrap_or("end"));
    trace!("{}", yielded(g.send(()))?.unwrap_or("end"));
    Ok(())
}
