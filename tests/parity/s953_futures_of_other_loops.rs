//! A future or task of one loop in the hands of another one.

use crate::harness::{new_event_loop, show, trace};
use coro_core::{EventLoop, Future, RuntimeError, ValueError, prelude::*};

async_fn! {
    async fn nothing() -> &'static str {
        "nothing"
    }

    async fn awaits(f: Future<&'static str>) -> &'static str {
        await!(f)
    }

    async fn main(other: EventLoop) {
        let attempt = |name: &str, result: Result<&str>| {
            match result {
                Err(e) if e.is::<RuntimeError>() => {
                    let text = show(&e);
                    let start = text.split(" Task").next().unwrap_or_default();
                    trace!("{name} {start} ... {}", text.rsplit('>').next().unwrap_or_default());
                }
                result => trace!("{name} {}", result?),
            }
            Ok::<(), Error>(())
        };
        let pending = other.create_future();
        let done = other.create_future();
        done.set_result("done")?;
        attempt("done", try_await!(done))?;
        attempt("pending", try_await!(create_task(awaits(pending.clone()))))?;
        trace!("{} {pending:?}", pending.done());
        let own = get_running_loop()?;
        let loop_of = |f: Future<&'static str>, of: &EventLoop| f.get_loop().is_some_and(|l| l.same(of));
        trace!("{} {}", loop_of(pending.clone(), &other), loop_of(own.create_future(), &own));
        pending.set_result("late")?;
        attempt("settled", try_await!(create_task(awaits(pending))))?;
    }
}

pub fn scenario() -> Result<()> {
    let (event_loop, other) = (new_event_loop()?, new_event_loop()?);
    event_loop.run_until_complete(main(other.clone()))?;
    let f = other.create_future();
    let refused = |result: Result<&str>| match result {
        Err(e) if e.is::<ValueError>() => {
            trace!("{}", show(&e));
            Ok(())
        }
        other => other.map(drop),
    };
    refused(event_loop.run_until_complete(f.clone()))?;
    refused(event_loop.run_until_complete(other.create_task(nothing())))?;
    trace!("{}", other.run_until_complete(nothing())?);
    let set = f.clone();
    other.call_soon(move || set.set_result("set").expect("it is pending"));
    trace!("{} {}", other.run_until_complete(f.clone())?, f.result()?);
    // A loop that is closed, with what was made before.
    let f = other.create_future();
    other.close()?;
    let told = |result: Result<String>| match result {
        Err(e) if e.is::<RuntimeError>() => {
            trace!("{}", show(&e));
            Ok(())
        }
        other => other.map(|text| trace!("{text}")),
    };
    told(other.run_until_complete(f.clone()).map(|n: u32| n.to_string()))?;
    told(other.run_forever().map(|()| "None".to_owned()))?;
    told(f.set_result(1).map(|()| "None".to_owned()))?;
    told(f.result().map(|n| n.to_string()))?;
    event_loop.close()?;
    event_loop.close()
}
