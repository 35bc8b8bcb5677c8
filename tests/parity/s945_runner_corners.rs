//! Runner: what is left goes on in the next run, one context, errors, close in wrong states.

use crate::harness::{KeyError, args, new_runner, show, trace};
use coro_core::{Context, ContextVar, Runner, RuntimeError, ValueError, current_task, prelude::*};

static VAR: ContextVar<&str> = ContextVar::with_default("var", || "unset");

async_fn! {
    async fn sets(value: &'static str) -> &'static str {
        let before = VAR.get()?;
        VAR.set(value);
        before
    }

    async fn ticks() {
        for i in 0..10 {
            trace!("tick {i}");
            try_await!(sleep(secs(1))).inspect_err(|_| trace!("ticker ends"))?;
        }
    }

    async fn start() -> Task<()> {
        create_task(ticks())
    }

    async fn nap(delay: Duration) {
        await!(sleep(delay));
    }

    async fn fails() {
        raise!(ValueError::new("v"));
    }

    async fn runs(runner: &mut Runner) {
        told(runner.run(nap(secs(0))))?;
    }

    async fn cancels() {
        current_task().map(|me| me.cancel_with("by itself"));
        await!(sleep(secs(0)));
    }
}

fn told<T>(result: Result<T>) -> Result<()> {
    match result {
        Err(e) if e.is::<RuntimeError>() => trace!("{}", show(&e)),
        other => drop(other?),
    }
    Ok(())
}

fn block(runner: &mut Runner, kept: &mut Option<Task<()>>) -> Result<()> {
    *kept = Some(runner.run(start())?);
    Err(KeyError::new("in the block").into())
}

pub fn scenario() -> Result<()> {
    let mut runner = new_runner()?;
    let event_loop = runner.get_loop()?;
    let same = event_loop.same(&runner.get_loop()?);
    trace!("{same} {} {}", event_loop.is_running(), event_loop.is_closed());
    trace!("{} {} {}", runner.run(sets("a"))?, runner.run(sets("b"))?, VAR.get()?);
    let context = Context::current().copy();
    let first = runner.run_in(&context, sets("c"))?;
    trace!("{first} {} {}", context.get(&VAR).unwrap_or_default(), runner.run(sets("d"))?);
    let task = runner.run(start())?;
    runner.run(nap(millis(1_500)))?;
    trace!("between {}", task.done());
    runner.run(nap(secs(1)))?;
    match runner.run(fails()) {
        Err(e) if e.is::<ValueError>() => trace!("{} {}", show(&e), task.done()),
        other => other?,
    }
    match runner.run(cancels()) {
        Err(e) if e.is_cancelled() => trace!("CancelledError {}", args(&e)),
        other => other?,
    }
    runner.close()?;
    trace!("{} {}", task.cancelled(), event_loop.is_closed());
    runner.close()?;
    told(runner.get_loop())?;
    told(runner.run(nap(secs(0))))?;
    // Closed before it was used, which does nothing; another one run inside a run.
    let mut runner = Runner::new();
    runner.close()?;
    told(runner.get_loop())?;
    let (mut runner, mut inner) = (new_runner()?, Runner::new());
    trace!("entered {}", runner.run(sets("e"))?);
    runner.run(runs(&mut inner))?;
    runner.close()?;
    let (mut runner, mut task) = (new_runner()?, None);
    let left = block(&mut runner, &mut task);
    runner.close()?;
    match left {
        Err(e) if e.is::<KeyError>() => trace!("{} {}", show(&e), task.is_some_and(|task| task.done())),
        other => other?,
    }
    // What runs at the end of a close.
    let mut runner = new_runner()?;
    let event_loop = runner.get_loop()?;
    event_loop.call_soon(|| trace!("a callback that was left"));
    event_loop.call_later(secs(5), || trace!("never"));
    runner.close()
}
