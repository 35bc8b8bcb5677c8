//! `wait_for` and `timeout`: the inner one swallows, fails, ends late; cancelled with the limit; rescheduled.

use crate::harness::{run, show, trace};
use coro_core::{AnyTask, Future, RuntimeError, ValueError, current_task, prelude::*, wait};
use std::cell::RefCell;
use std::rc::Rc;

#[derive(Clone, Debug, thiserror::Error)]
#[error("its own")]
struct TimeoutError;

fn when(when: Option<Duration>) -> String {
    when.map_or_else(|| "None".to_owned(), |when| format!("{:?}", when.as_secs_f64()))
}

async_fn! {
    async fn swallows(delay: u64) -> &'static str {
        if try_await!(sleep(secs(10))).is_err_and(|e| e.is_cancelled()) {
            await!(sleep(secs(delay)));
        }
        "swallowed"
    }

    async fn fails_late() -> &'static str {
        let slept = try_await!(sleep(secs(10)));
        slept.map(|()| "slept").map_err(|_| ValueError::new("in cleanup"))?
    }

    async fn raises_timeout() -> &'static str {
        raise!(TimeoutError);
    }

    async fn nap(delay: Duration, result: &'static str) -> &'static str {
        await!(sleep(delay));
        result
    }

    async fn limited(body: BoxCoroutine<&'static str>, limit: Option<Duration>) -> &'static str {
        let clock = get_running_loop()?;
        let mut result = "nothing";
        async with Timeout::at(limit.map(|limit| clock.time() + limit)) as cm {
            let ended = try_await!(body);
            trace!("expired {} when {}", cm.expired(), when(cm.when()));
            result = ended?;
        }
        result
    }

    async fn rescheduled(first: u64, second: Option<i64>) -> &'static str {
        let clock = get_running_loop()?;
        async with Timeout::new(secs(first)) as cm {
            await!(sleep(millis(500)));
            let from_now = |seconds: i64| match u64::try_from(seconds) {
                Ok(later) => clock.time() + secs(later),
                Err(_) => clock.time() - secs(seconds.unsigned_abs()),
            };
            cm.reschedule(second.map(from_now))?;
            trace!("{cm:?}");
            await!(sleep(secs(2)));
        }
        "slept"
    }
}

fn attempt(name: &str, result: Result<&'static str>) {
    match result {
        Ok(value) => trace!("{name} gives {value}"),
        Err(e) => trace!("{name} raises {} {}", show(&e), current_task().map_or(9, |me| me.cancelling())),
    }
}

fn told(result: Result<()>) -> Result<()> {
    match result {
        Err(e) if e.is::<RuntimeError>() => trace!("{}", show(&e)),
        other => other?,
    }
    Ok(())
}

async_fn! {
    async fn main() {
        let event_loop = get_running_loop()?;
        attempt("swallows", try_await!(wait_for(swallows(1), secs(1))));
        attempt("fails late", try_await!(wait_for(fails_late(), secs(1))));
        attempt("its own", try_await!(wait_for(raises_timeout(), secs(1))));
        attempt("no limit", try_await!(wait_for(nap(secs(1), "x"), Duration::MAX)));
        let f = Future::new();
        attempt("a future", try_await!(wait_for(f.clone(), secs(1))));
        trace!("{}", f.cancelled());
        let t = create_task(swallows(0)).future();
        attempt("a task that swallows", try_await!(wait_for(t.clone(), secs(1))));
        trace!("{} {} {}", t.done(), t.cancelled(), t.result()?);
        for (name, limit) in [("limit 0", 0), ("limit 0.5", 500), ("limit 1", 1_000), ("limit 1.5", 1_500)] {
            attempt(name, try_await!(limited(nap(secs(1), "slept").boxed(), Some(millis(limit)))));
        }
        attempt("swallows in a block", try_await!(limited(swallows(0).boxed(), Some(secs(1)))));
        attempt("without", try_await!(limited(nap(secs(1), "slept").boxed(), None)));
        attempt("longer", try_await!(rescheduled(1, Some(5))));
        attempt("shorter", try_await!(rescheduled(9, Some(1))));
        attempt("none", try_await!(rescheduled(1, None)));
        attempt("past", try_await!(rescheduled(9, Some(-3))));
        // Cancelled from outside in the round of the limit.
        for (early, name) in [(true, "outside early true"), (false, "outside early false")] {
            let victim: Rc<RefCell<Option<AnyTask>>> = Rc::default();
            let cancel = || {
                let victim = Rc::clone(&victim);
                event_loop.call_later(secs(1), move || {
                    victim.borrow().as_ref().map(|task| task.cancel_with("outside"));
                });
            };
            if early {
                cancel();
            }
            let task = create_task(coroutine(move || {
                attempt(name, wait_for(nap(secs(9), "slept"), secs(1)).co_await());
                Ok(())
            }));
            victim.replace(Some(task.any_task()));
            await!(sleep(secs(0)));
            if !early {
                cancel();
            }
            await!(wait([&task]));
        }
        // Left before the limit: it does not strike later.
        let mut cm = Timeout::new(secs(1));
        let entered = cm.aenter()?;
        cm.aexit(None)?;
        await!(sleep(secs(2)));
        trace!("{entered:?} {}", entered.expired());
        told(entered.reschedule(Some(secs(5))))?;
        told(cm.aenter().map(drop))?;
        told(Timeout::new(secs(1)).reschedule(Some(secs(1))))?;
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
