//! asend, athrow and aclose in every state of an asynchronous generator.

use crate::harness::{KeyError, OSError, run, show, trace};
use coro_core::{StopAsyncIteration, ValueError, Yielder, async_generator, prelude::*, wait};
use std::cell::RefCell;
use std::rc::Rc;

type Y = Yielder<&'static str, &'static str>;

fn received(value: Result<&'static str>) -> Result<()> {
    trace!("received {}", value?);
    Ok(())
}

fn finally(result: Result<()>) -> Result<()> {
    sleep(secs(1)).co_await()?;
    trace!("finally");
    result
}

fn steps(y: &Y) -> Result<()> {
    received(y.yield_("1"))?;
    sleep(secs(1)).co_await()?;
    match y.yield_("2") {
        Err(e) if e.is::<KeyError>() => {
            trace!("caught {}", show(&e));
            sleep(secs(1)).co_await()?;
            y.yield_("from except")?;
        }
        value => received(value)?,
    }
    y.yield_("3")?;
    Ok(())
}

fn body(y: &Y) -> Result<()> {
    // A generator that is closed before it began has nothing to clean up.
    finally(steps(y))
}

fn ignores(y: &Y) -> Result<()> {
    loop {
        match y.yield_("y") {
            Err(e) if e.is::<GeneratorExit>() => trace!("ignored"),
            other => drop(other?),
        }
    }
}

fn returns_on_throw(y: &Y) -> Result<()> {
    match y.yield_("1") {
        Err(e) if e.is::<ValueError>() => {
            trace!("returns");
            Ok(())
        }
        other => other.map(drop),
    }
}

fn replaces(y: &Y) -> Result<()> {
    let _ = y.yield_("1");
    Err(OSError::new("in finally").into())
}

/// A step that gives nothing is the end of the iteration.
fn attempt(name: &str, step: Result<Option<&'static str>>) {
    match step.and_then(|item| item.ok_or_else(|| StopAsyncIteration.into())) {
        Ok(item) => trace!("{name} gives {item}"),
        Err(e) => trace!("{name} raises {}", show(&e)),
    }
}

fn attempt_close(name: &str, closed: Result<()>) {
    attempt(name, closed.map(|()| Some("None")));
}

async_fn! {
    async fn main() {
        let value_error = || ValueError::new("v").into();
        let mut g = async_generator(body);
        attempt("asend a value first", g.asend("5"));
        attempt("asend None", g.start());
        attempt("asend", g.asend("a"));
        attempt("athrow", g.athrow(KeyError::new("k").into()));
        attempt("anext", g.asend(""));
        attempt("anext at its end", g.asend(""));
        attempt("anext after it", g.asend(""));
        attempt("asend after it", g.asend(""));
        attempt("athrow after it", g.athrow(value_error()).map(|item| Some(item.unwrap_or("None"))));
        attempt_close("aclose after it", g.aclose());
        let mut g = async_generator(body);
        attempt_close("aclose of a fresh one", g.aclose());
        attempt("anext", g.asend(""));
        let mut g = async_generator(body);
        attempt("athrow into a fresh one", g.athrow(value_error()));
        attempt("anext", g.asend(""));
        let mut g = async_generator(body);
        g.start()?;
        attempt_close("aclose", g.aclose());
        attempt_close("aclose again", g.aclose());
        let mut g = async_generator(body);
        g.start()?;
        attempt("athrow through", g.athrow(value_error()));
        attempt("anext", g.asend(""));
        let mut g = async_generator(ignores);
        g.start()?;
        attempt_close("aclose ignored", g.aclose());
        attempt("anext", g.asend(""));
        drop(g);
        let mut g = async_generator(returns_on_throw);
        g.start()?;
        attempt("athrow that ends it", g.athrow(value_error()));
        let mut g = async_generator(replaces);
        g.start()?;
        attempt_close("aclose replaced", g.aclose());
        let mut g = async_generator(replaces);
        g.start()?;
        attempt("athrow replaced", g.athrow(KeyError::new("k").into()));
        // Cancelled while it waits inside.
        let g = Rc::new(RefCell::new(async_generator(body)));
        g.borrow_mut().start()?;
        let stepped = Rc::clone(&g);
        let task = create_task(coroutine(move || {
            stepped.borrow_mut().asend("b").inspect_err(|e| {
                if e.is_cancelled() {
                    trace!("step cancelled");
                }
            })
        }));
        await!(sleep(millis(500)));
        task.cancel();
        await!(wait([&task]));
        attempt("anext after the cancellation", g.borrow_mut().asend(""));
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
