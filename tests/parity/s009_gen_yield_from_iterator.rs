//! Delegating to a plain iterator: its items go out, and what is thrown in ends it.

use crate::harness::{KeyError, show, trace, yielded};
use coro_core::{Generator, TypeError, YieldFrom, Yielder, generator, prelude::*};

type Over<F> = Generator<String, (), (), F>;

fn over(things: impl YieldFrom<String, (), ()>) -> Over<impl FnOnce(&Yielder<String>) -> Result<()>> {
    generator(|y: &Yielder<String>| {
        match y.yield_from(things) {
            Err(e) if e.is::<TypeError>() || e.is::<KeyError>() => {
                trace!("at yield from: {}", show(&e));
                y.yield_("recovered".to_owned())?;
            }
            result => trace!("result {:?}", result?),
        }
        Ok(())
    })
}

fn texts(numbers: impl IntoIterator<Item = u32>) -> impl Iterator<Item = String> {
    numbers.into_iter().map(|n| n.to_string())
}

pub fn scenario() -> Result<()> {
    let mut g = over(texts([1, 2, 3]));
    trace!("{} {}", g.next().transpose()?.unwrap_or_default(), yielded(g.send(()))?.unwrap_or_default());
    let error = TypeError::new("thrown in place of a value").into();
    trace!("{}", yielded(g.throw(error))?.unwrap_or_default());
    let mut g = over(texts([1, 2, 3]));
    g.next().transpose()?;
    trace!("{}", yielded(g.throw(KeyError::new("k").into()))?.unwrap_or_default());
    let list: Vec<u32> = over(texts(0..2)).map(|item| Ok(item?.parse()?)).collect::<Result<_>>()?;
    trace!("{list:?}");
    let mut g = over(texts([1]));
    g.next().transpose()?;
    trace!("close gives {:?}", g.close()?);
    Ok(())
}
