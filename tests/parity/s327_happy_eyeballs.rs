//! Staggered attempts: the first success wins, the others are cancelled and awaited.

use crate::harness::{OSError, run, show, trace};
use coro_core::{Future, ReturnWhen, gather_return_exceptions, prelude::*, wait};
use std::collections::VecDeque;

type Plan = (&'static str, Duration, bool);

async_fn! {
    async fn attempt(plan: Plan) -> &'static str {
        let (name, delay, ok) = plan;
        trace!("try {name}");
        match try_await!(sleep(delay)) {
            Err(e) if e.is_cancelled() => {
                trace!("abandon {name}");
                raise!(e)
            }
            other => other?,
        }
        if !ok {
            trace!("failed {name}");
            raise!(OSError::new(name));
        }
        name
    }

    async fn first(plans: &[Plan], stagger: Duration, order: &mut Vec<Future<&'static str>>) -> &'static str {
        let mut plans: VecDeque<Plan> = plans.iter().copied().collect();
        let (mut pending, mut errors) = (Vec::new(), Vec::new());
        while !plans.is_empty() || !pending.is_empty() {
            if let Some(plan) = plans.pop_front() {
                let task = create_task(attempt(plan)).future();
                pending.push(task.clone());
                order.push(task);
            }
            let waiting = wait(pending).return_when(ReturnWhen::FirstCompleted);
            let (done, left) = match plans.is_empty() {
                true => await!(waiting),
                false => await!(waiting.timeout(stagger)),
            };
            pending = left;
            for task in order.iter().filter(|task| done.iter().any(|d| d.same(task))) {
                match task.exception()? {
                    None => return task.result()?,
                    Some(error) => errors.push(error),
                }
            }
        }
        raise!(ErrorGroup::new("all failed", errors))
    }

    async fn race(plans: &[Plan], stagger: Duration) -> &'static str {
        let mut order = Vec::new();
        let result = try_await!(first(plans, stagger, &mut order));
        for task in &order {
            task.cancel();
        }
        await!(gather_return_exceptions(order));
        result?
    }

    async fn main() {
        let plans = [("a", secs(5), true), ("b", secs(2), true), ("c", secs(9), true)];
        trace!("{}", await!(race(&plans, secs(1))));
        let plans = [("a", secs(2), false), ("b", millis(500), false)];
        let Err(e) = try_await!(race(&plans, secs(1))) else { return };
        let group = e.downcast_ref::<ErrorGroup>().ok_or(e.clone())?;
        trace!("{} {:?}", show(&e), group.errors().iter().map(show).collect::<Vec<_>>());
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
