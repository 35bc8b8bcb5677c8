//! `cancelling()` under nested timeouts and groups, and what each of them takes back.

use crate::harness::{run, show, trace};
use coro_core::{AnyTask, ValueError, current_task, prelude::*, timeout, wait};
use std::cell::RefCell;
use std::rc::Rc;

fn count() -> usize {
    current_task().map_or(9, |me| me.cancelling())
}

fn nap(seconds: u64) -> Result<()> {
    sleep(secs(seconds)).co_await()
}

/// Says how often the task is being cancelled if it is, as `except CancelledError: trace(..); raise`.
fn seen<T>(what: &str, result: Result<T>) -> Result<T> {
    result.inspect_err(|e| {
        if e.is_cancelled() {
            trace!("{what} {}", count());
        }
    })
}

/// As `except TimeoutError`.
fn limited(result: Result<()>, what: &str) -> Result<()> {
    match result {
        Err(e) if e.is_timeout() => trace!("{what} {}", count()),
        other => other?,
    }
    Ok(())
}

async_fn! {
    async fn fails(delay: u64) {
        await!(sleep(secs(delay)));
        raise!(ValueError::new("v"));
    }

    async fn inner_strikes() {
        timeout(secs(3), || {
            limited(timeout(secs(1), || seen("inside", nap(10))), "inner timeout")
        })?;
        trace!("left {}", count());
    }

    async fn passes_inner() {
        let mut limit = None;
        async with Timeout::new(secs(3)) as inner {
            limit = Some(inner);
            match nap(10) {
                Err(e) if e.is_cancelled() => {
                    let expired = limit.as_ref().is_some_and(Timeout::expired);
                    trace!("passes the inner one {} {expired}", count());
                    raise!(e);
                }
                other => other?,
            }
        }
    }

    async fn outer_strikes() {
        limited(timeout(secs(1), || passes_inner().co_await()), "outer timeout")?;
    }

    async fn both_strike() {
        let both = timeout(secs(1), || {
            let inner = timeout(secs(1), || nap(10)).inspect_err(|e| {
                if e.is_timeout() {
                    trace!("inner {}", count());
                }
            });
            seen("cancelled", inner)
        });
        limited(both, "outer")?;
        trace!("after {}", count());
    }

    async fn sleepers() {
        async with TaskGroup::new() as tg {
            tg.create_task(sleep(secs(10)));
            await!(sleep(secs(10)));
        }
    }

    async fn group_in_timeout() {
        limited(timeout(secs(1), || seen("group left", sleepers().co_await())), "timeout")?;
    }

    async fn limit_and_failure() {
        async with TaskGroup::new() as tg {
            tg.create_task(fails(1));
            seen("timeout left", timeout(secs(5), || nap(10)))?;
        }
    }

    async fn timeout_in_group() {
        match try_await!(limit_and_failure()) {
            Err(e) if e.is::<ErrorGroup>() => trace!("errors {} {}", e.errors().len(), count()),
            other => other?,
        }
    }

    async fn sleep_and_failure() {
        async with TaskGroup::new() as tg {
            tg.create_task(fails(1));
            await!(sleep(secs(10)));
        }
    }

    async fn same_moment() {
        let limit = timeout(secs(1), || {
            match sleep_and_failure().co_await() {
                Err(e) if e.is::<ErrorGroup>() => trace!("group {}", count()),
                other => other?,
            }
            nap(1)?;
            trace!("not reached");
            Ok(())
        });
        limited(limit, "timeout")?;
        trace!("end {}", count());
    }

    async fn from_outside(kind: &'static str) {
        let result = match kind {
            "timeout" => timeout(secs(1), || nap(10)),
            _ => try_await!(sleep_and_failure()),
        };
        match result {
            Err(e) if e.is_cancelled() => trace!("{kind} cancelled {}", count()),
            Err(e) if e.is_timeout() => trace!("{kind} TimeoutError {}", count()),
            Err(e) if e.is::<ErrorGroup>() => trace!("{kind} errors {}", count()),
            other => other?,
        }
        match nap(1) {
            Err(e) if e.is_cancelled() => trace!("{kind} cancelled at the next await {}", count()),
            slept => slept.map(|()| trace!("{kind} slept"))?,
        }
    }

    async fn swallows() {
        for _ in 0..3 {
            match nap(10) {
                Err(e) if e.is_cancelled() => trace!("swallowed {}", count()),
                other => other?,
            }
        }
        timeout(secs(1), || limited(timeout(secs(1), || nap(10)), "inner"))?;
        trace!("not reached");
    }

    async fn main() {
        let all = [
            ("inner_strikes", inner_strikes().boxed()),
            ("outer_strikes", outer_strikes().boxed()),
            ("both_strike", both_strike().boxed()),
            ("group_in_timeout", group_in_timeout().boxed()),
            ("timeout_in_group", timeout_in_group().boxed()),
            ("same_moment", same_moment().boxed()),
        ];
        for (name, each) in all {
            if let Err(e) = try_await!(create_task(each)) {
                trace!("{name} {}", show(&e));
            }
        }
        let event_loop = get_running_loop()?;
        for kind in ["timeout", "group"] {
            for early in [true, false] {
                let victim: Rc<RefCell<Option<AnyTask>>> = Rc::default();
                let cancel = || {
                    let victim = Rc::clone(&victim);
                    event_loop.call_later(secs(1), move || {
                        victim.borrow().as_ref().map(AnyTask::cancel);
                    });
                };
                if early {
                    cancel();
                }
                let task = create_task(from_outside(kind));
                *victim.borrow_mut() = Some(task.any_task());
                await!(sleep(secs(0)));
                if !early {
                    cancel();
                }
                await!(wait([&task]));
            }
        }
        let task = create_task(swallows());
        for _ in 0..3 {
            await!(sleep(secs(1)));
            task.cancel();
        }
        await!(wait([&task]));
        trace!("{}", task.exception()?.as_ref().map_or_else(String::new, show));
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
