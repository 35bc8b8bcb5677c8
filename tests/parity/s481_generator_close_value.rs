//! close gives what the generator returns when GeneratorExit is thrown in.

use crate::harness::trace;
use coro_core::{Yielder, generator, prelude::*};

async_fn! {
    fn counter() yields u32 receives u32 -> String {
        let mut total = 0;
        loop {
            match try_yield!(total) {
                Err(e) if e.is::<GeneratorExit>() => return format!("total {total}"),
                sent => total += sent?,
            }
        }
    }

    fn passes_on() yields u32 {
        let closed = try_yield!(1);
        trace!("finally, nothing returned");
        closed?;
    }
}

fn or_none(value: Option<String>) -> String {
    value.unwrap_or_else(|| "None".to_owned())
}

pub fn scenario() -> Result<()> {
    let mut gen_ = counter();
    trace!("fresh, closed: {:?}", gen_.close()?);
    let mut gen_ = counter();
    gen_.start()?;
    gen_.send(2)?;
    gen_.send(3)?;
    let closed = or_none(gen_.close()?);
    trace!("closed: {closed} again: {:?}", gen_.close()?);
    let mut gen_ = passes_on();
    gen_.start()?;
    trace!("without a return: {:?}", gen_.close()?);
    let mut outer = generator(|y: &Yielder<u32, u32>| match y.yield_from(counter()) {
        Err(e) if e.is::<GeneratorExit>() => Ok("outer's own".to_owned()),
        result => result,
    });
    outer.start()?;
    trace!("the inner value is lost: {}", or_none(outer.close()?));
    let mut gen_ = counter();
    gen_.start()?;
    if let GeneratorState::Returned(value) = gen_.throw(GeneratorExit.into())? {
        trace!("thrown by hand: StopIteration: {value}"); // what it returns is a StopIteration in Python
    }
    Ok(())
}
