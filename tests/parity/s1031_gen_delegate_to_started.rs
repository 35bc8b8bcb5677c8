//! yield from a generator that was stepped before, was closed, has ended, or is stepped by others meanwhile.

use crate::harness::{show, trace, yielded};
use coro_core::{SharedGenerator, StopIteration, ValueError, YieldFrom, Yielder, generator, prelude::*};
use std::cell::RefCell;
use std::fmt::Debug;
use std::rc::Rc;

type Shared = SharedGenerator<u32, (), ()>;

fn inner() -> Shared {
    let body = |y: &Yielder<u32>| {
        let ended = (1..=3).try_for_each(|n| y.yield_(n));
        trace!("inner ends");
        ended
    };
    generator(body).shared()
}

async_fn! {
    fn count() yields u32 -> u32 {
        yield!(1);
        yield!(2);
        7
    }

    fn delegate<I, R>(to: I) yields u32
    where
        I: YieldFrom<u32, (), R>,
        R: Debug,
    {
        let result = yield_from!(to);
        trace!("result {result:?}");
    }

    fn itself(own: Rc<RefCell<Option<Shared>>>) yields u32 {
        let own = own.take();
        yield_from!(own.expect("it is shared"));
    }
}

fn gives(name: &str, value: Result<String>) {
    match value {
        Ok(value) => trace!("{name} gives {value}"),
        Err(e) => trace!("{name} raises {}", show(&e)),
    }
}

fn step<R>(name: &str, step: Result<GeneratorState<u32, R>>) {
    let item = yielded(step).and_then(|item| item.ok_or_else(|| StopIteration.into()));
    gives(name, item.map(|item| item.to_string()));
}

fn close(name: &str, closed: Result<Option<()>>) {
    gives(name, closed.map(|_| "None".to_owned()));
}

fn primed() -> Shared {
    let g = inner();
    step("prime", g.start());
    g
}

fn all<I: Iterator<Item = Result<u32>>>(items: I) -> Result<Vec<u32>> {
    items.collect()
}

pub fn scenario() -> Result<()> {
    let value_error = || ValueError::new("v").into();
    trace!("the rest {:?}", all(delegate(primed()))?);
    let mut g = count();
    step("prime", g.start());
    trace!("the rest {:?}", all(delegate(g))?);
    let g = inner();
    let items: Vec<u32> = std::iter::from_fn(|| yielded(g.send(())).transpose()).collect::<Result<_>>()?;
    trace!("all {items:?}");
    trace!("ended {:?}", all(delegate(g))?);
    let g = inner();
    close("close", g.close());
    trace!("closed when fresh {:?}", all(delegate(g))?);
    let g = primed();
    close("close", g.close());
    trace!("closed {:?}", all(delegate(g))?);
    let mut h = delegate(primed());
    step("next", h.start());
    step("throw", h.throw(value_error()));
    let mut h = delegate(primed());
    step("next", h.start());
    close("close", h.close());
    let g = primed();
    let mut h = delegate(g.clone());
    step("throw into a fresh one", h.throw(value_error()));
    step("inner goes on", g.send(()));
    let mut h = delegate(g.clone());
    step("next", h.start());
    close("close", h.close());
    step("inner is closed", g.send(()));
    let g = primed();
    let mut h = delegate(g.clone());
    step("next", h.start());
    step("by another", g.send(()));
    step("next", h.send(()));
    let g = primed();
    let mut h = delegate(g.clone());
    step("next", h.start());
    close("closed by another", g.close());
    trace!("the rest {:?}", all(h)?);
    let g = primed();
    let mut h = delegate(g.clone());
    step("next", h.start());
    close("closed by another", g.close());
    step("throw", h.throw(value_error()));
    let own = Rc::default();
    let me = itself(Rc::clone(&own)).shared();
    own.replace(Some(me.clone()));
    step("itself", me.start());
    Ok(())
}
