//! An exception raised while another is handled keeps it as its context, across a yield too.

use crate::harness::{KeyError, LookupError, show, trace};
use coro_core::{ValueError, prelude::*};

async_fn! {
    fn gen_() yields &'static str {
        let first = Error::new(KeyError::new("first"));
        yield!("in handler");
        // Python keeps what is being handled by itself.
        raise!(Error::caused_by(ValueError::new("second"), first));
    }

    fn again() yields &'static str {
        match try_yield!("") {
            Err(e) if e.is::<KeyError>() => raise!(Error::caused_by(LookupError::new("third"), e)),
            other => other?,
        }
    }
}

fn cause_of(error: &Error) -> String {
    error.cause().map(show).unwrap_or_default()
}

pub fn scenario() -> Result<()> {
    let mut g = gen_();
    trace!("{}", g.next().transpose()?.unwrap_or_default());
    match g.next() {
        Some(Err(e)) if e.is::<ValueError>() => trace!("{} context {}", show(&e), cause_of(&e)),
        other => drop(other.transpose()?),
    }
    let mut g = again();
    g.next().transpose()?;
    match g.throw(KeyError::new("thrown").into()) {
        Err(e) if e.is::<LookupError>() => trace!("{} cause {}", show(&e), cause_of(&e)),
        other => _ = other?,
    }
    Ok(())
}
