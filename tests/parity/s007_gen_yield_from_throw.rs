//! throw goes to the innermost generator; caught there or on the way out, outer code goes on.

use crate::harness::{KeyError, show, trace, yielded};
use coro_core::{ValueError, Yielder, generator, prelude::*};

async_fn! {
    fn inner() yields &'static str -> &'static str {
        match try_yield!("inner 1") {
            Err(e) if e.is::<KeyError>() => {
                trace!("inner caught {}", show(&e));
                yield!("inner 2");
            }
            other => other?,
        }
        "inner result"
    }

    fn middle() yields &'static str -> String {
        let result = yield_from!(inner());
        trace!("middle has {result}");
        result.to_uppercase()
    }
}

pub fn scenario() -> Result<()> {
    let outer = || {
        generator(|y: &Yielder<&'static str>| {
            match y.yield_from(middle()) {
                Err(e) if e.is::<ValueError>() => trace!("outer caught {}", show(&e)),
                result => trace!("outer has {}", result?),
            }
            y.yield_("outer last")
        })
    };
    let mut g = outer();
    trace!("{}", g.next().transpose()?.unwrap_or_default());
    trace!("{}", yielded(g.throw(KeyError::new("k").into()))?.unwrap_or_default());
    trace!("{}", g.next().transpose()?.unwrap_or_default());
    let mut h = outer();
    trace!("{}", h.next().transpose()?.unwrap_or_default());
    trace!("{}", yielded(h.throw(ValueError::new("v").into()))?.unwrap_or_default());
    trace!("rest {:?}", h.collect::<Result<Vec<_>>>()?);
    Ok(())
}
