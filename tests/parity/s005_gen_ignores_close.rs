//! A generator that yields while it is being closed makes close a RuntimeError and stays alive.

use crate::harness::{show, trace};
use coro_core::{RuntimeError, prelude::*};

async_fn! {
    fn stubborn() yields u32 {
        let mut count = 0;
        loop {
            match try_yield!(count) {
                Err(e) if e.is::<GeneratorExit>() => trace!("ignoring the exit"),
                other => other?,
            }
            count += 1;
            if count > 3 {
                return;
            }
        }
    }

    fn in_finally() yields &'static str {
        let thrown = try_yield!("1");
        yield!("from finally");
        thrown?;
    }
}

fn trace_refusal(closed: Result<Option<()>>) -> Result<()> {
    match closed {
        Err(e) if e.is::<RuntimeError>() => trace!("{}", show(&e)),
        other => drop(other?),
    }
    Ok(())
}

pub fn scenario() -> Result<()> {
    let mut g = stubborn();
    trace!("{}", g.next().transpose()?.unwrap_or_default());
    trace_refusal(g.close())?;
    trace!("still alive: {}", g.next().transpose()?.unwrap_or_default());

    let mut h = in_finally();
    h.next().transpose()?;
    trace_refusal(h.close())?;
    match h.next() {
        Some(Err(e)) if e.is::<GeneratorExit>() => trace!("the exit goes on: {}", show(&e)),
        other => drop(other.transpose()?),
    }
    for value in g {
        value?;
    }
    trace!("end");
    Ok(())
}
