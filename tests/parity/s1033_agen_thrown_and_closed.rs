//! What is thrown into an asynchronous generator that does not run, or that has ignored its closing.

use crate::harness::{run, show, trace};
use coro_core::{Cancelled, RuntimeError, StopAsyncIteration, ValueError, Yielder, async_generator, prelude::*};

type Y = Yielder<&'static str>;

fn two(y: &Y) -> Result<()> {
    y.yield_("1")?;
    y.yield_("2")
}

fn in_finally(y: &Y) -> Result<()> {
    let ended = y.yield_("1");
    trace!("finally");
    y.yield_("2")?;
    trace!("after the yield");
    ended
}

fn ignores(y: &Y) -> Result<()> {
    loop {
        match y.yield_("y") {
            Err(e) if e.is::<GeneratorExit>() => trace!("ignored"),
            other => other?,
        }
    }
}

fn swallows(y: &Y) -> Result<()> {
    loop {
        match y.yield_("y") {
            Err(e) if e.is::<GeneratorExit>() => match sleep(secs(1)).co_await() {
                Err(e) if e.is_cancelled() => {
                    trace!("cancelled");
                    return Ok(());
                }
                other => other?,
            },
            other => other?,
        }
    }
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
        let errors: [Error; 5] = [
            StopAsyncIteration.into(),
            GeneratorExit.into(),
            ValueError::new("v").into(),
            RuntimeError::new("r").into(),
            Cancelled::new().into(),
        ];
        for error in errors {
            let mut g = async_generator(two);
            attempt("athrow into a fresh one", g.athrow(error.clone()));
            attempt("anext", g.anext());
            attempt_close("aclose", g.aclose());
            let mut g = async_generator(two);
            g.anext()?;
            attempt("athrow into a suspended one", g.athrow(error));
            attempt("anext", g.anext());
            attempt_close("aclose", g.aclose());
        }
        for body in [in_finally as fn(&Y) -> _, ignores] {
            let mut g = async_generator(body);
            g.anext()?;
            attempt_close("aclose", g.aclose());
            attempt_close("aclose again", g.aclose());
            attempt("athrow", g.athrow(ValueError::new("v").into()));
            attempt("athrow the exit", g.athrow(GeneratorExit.into()));
            attempt("anext", g.anext());
            attempt_close("aclose", g.aclose());
            attempt("anext", g.anext());
            drop(g);
            let mut g = async_generator(body);
            g.anext()?;
            attempt("athrow the exit first", g.athrow(GeneratorExit.into()));
            attempt_close("aclose", g.aclose());
        }
        let g = async_generator(swallows).shared();
        g.start()?;
        let task = create_task(coroutine({
            let g = g.clone();
            move || g.aclose()
        }));
        await!(sleep(millis(500)));
        task.cancel();
        attempt_close("cancelled aclose", try_await!(task));
        attempt_close("aclose", g.aclose());
        attempt("anext", g.asend(()));
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
