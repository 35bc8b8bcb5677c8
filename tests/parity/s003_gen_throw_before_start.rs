//! throw into a fresh generator never runs its body and finishes it.

use crate::harness::{show, trace};
use coro_core::{ValueError, prelude::*};

async_fn! {
    fn body() yields u32 {
        trace!("body runs");
        let thrown = try_yield!(1);
        trace!("finally runs");
        thrown?;
    }
}

fn or_nothing(next: Option<Result<u32>>) -> Result<String> {
    next.map_or_else(|| Ok("nothing".to_owned()), |value| Ok(value?.to_string()))
}

pub fn scenario() -> Result<()> {
    let mut g = body();
    match g.throw(ValueError::new("too early").into()) {
        Err(e) if e.is::<ValueError>() => trace!("out {}", show(&e)),
        other => _ = other?,
    }
    trace!("next after: {}", or_nothing(g.next())?);
    let mut g = body();
    trace!("close fresh: {:?}", g.close()?);
    trace!("next after: {}", or_nothing(g.next())?);
    let mut g = body();
    trace!("{}", or_nothing(g.next())?);
    trace!("close started: {:?}", g.close()?);
    trace!("close again: {:?}", g.close()?);
    Ok(())
}
