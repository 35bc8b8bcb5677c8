//! A loop that looks at its clock once in many rounds: what must not wait for the next look.

mod common;

use std::cell::Cell;
use std::rc::Rc;

use common::next_round;
use coro_core::{Future, LoopBuilder, prelude::*, wait};

/// How many rounds `what` takes on a busy loop that looks at its clock in one of a thousand.
fn rounds<A: Awaitable + 'static>(what: impl FnOnce() -> A + 'static) -> u32
where
    A::Output: 'static,
{
    let event_loop = LoopBuilder::new().virtual_clock().sample_every(1000).build().unwrap();
    let main = coroutine(move || {
        let ended = Rc::new(Cell::new(false));
        let task = create_task(coroutine({
            let ended = Rc::clone(&ended);
            move || {
                let result = what().co_await();
                ended.set(true);
                result
            }
        }));
        let mut rounds = 0;
        while !ended.get() {
            next_round()?;
            rounds += 1;
        }
        // What it gave is of no interest.
        let _ = task.co_await();
        Ok(rounds)
    });
    event_loop.run_until_complete(main).unwrap()
}

#[test]
fn what_is_due_at_once_comes_in_the_next_rounds() {
    assert!(rounds(|| wait([Future::<()>::new()]).timeout(Duration::ZERO)) <= 5);
    assert!(rounds(|| wait_for(sleep(secs(1)), Duration::ZERO)) <= 5);
    assert!(rounds(|| sleep(Duration::ZERO)) <= 3);
    let called = || {
        let future = Future::new();
        let result = future.clone();
        get_running_loop().unwrap().call_later(Duration::ZERO, move || {
            let _ = result.set_result(());
        });
        future
    };
    assert!(rounds(called) <= 5);
}
