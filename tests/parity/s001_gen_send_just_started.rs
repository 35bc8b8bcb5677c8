//! Sending a value to a generator that has not started is a TypeError; None is fine.

use crate::harness::{show, trace, yielded};
use coro_core::{GeneratorState, TypeError, prelude::*};

async_fn! {
    fn echo() yields Option<&'static str> receives Option<&'static str> {
        let mut got = None;
        loop {
            got = yield!(got);
        }
    }
}

fn text(step: GeneratorState<Option<&'static str>, ()>) -> &'static str {
    match step {
        GeneratorState::Yielded(value) => value.unwrap_or("None"),
        GeneratorState::Returned(()) => "returned",
    }
}

pub fn scenario() -> Result<()> {
    let mut g = echo();
    match g.send(Some("early")) {
        Err(e) if e.is::<TypeError>() => trace!("{}", show(&e)),
        other => _ = other?,
    }
    trace!("first {}", text(g.start()?));
    trace!("then {} {} {}", text(g.send(Some("a"))?), text(g.send(Some("b"))?), text(g.send(None)?));
    g.close()?;
    trace!("list of closed {:?}", yielded(g.send(None))?.map_or_else(Vec::new, |value| vec![value]));
    Ok(())
}
