//! Cancel scopes: a cancellation holds until its block is left, is caught there, and nothing else is; and children that
//! say when they are ready.

mod common;

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use coro_core::prelude::*;
use coro_core::{
    CancelScope, Condition, ErrorGroup, RuntimeError, Step, current_task, fail_after, generator,
    move_on_after, move_on_at, suspend, timeout,
};

fn run<T>(f: impl FnOnce() -> Result<T>) -> T {
    common::run(f).unwrap()
}

/// For limits that end at the same moment: which strikes first decides what is raised.
fn run_ordered<T>(f: impl FnOnce() -> Result<T>) -> T {
    common::run_ordered(f).unwrap()
}

fn now() -> Duration {
    get_running_loop().unwrap().time()
}

fn requests() -> usize {
    current_task().unwrap().cancelling()
}

fn nap(seconds: u64) -> Result<()> {
    sleep(secs(seconds)).co_await()
}

/// Nothing is left of a scope: awaits work, and no request is counted.
fn all_is_well() -> Result<()> {
    assert_eq!(requests(), 0);
    nap(0)?;
    nap(1)
}

#[test]
fn a_deadline_ends_the_block_and_only_that() {
    run(|| {
        assert_eq!(move_on_after(secs(2), |_| nap(60))?, None);
        assert_eq!(now(), secs(2));
        all_is_well()?;
        assert_eq!(
            move_on_after(secs(2), |_| {
                nap(1)?;
                Ok(6)
            })?,
            Some(6)
        );
        all_is_well()?;
        assert_eq!(move_on_at(now() + secs(2), |_| nap(60))?, None);
        all_is_well()?;
        let error = fail_after(secs(2), |_| nap(60)).unwrap_err();
        assert!(error.is_timeout() && error.cause().unwrap().is_cancelled());
        all_is_well()
    });
}

#[test]
fn every_await_raises_until_the_block_is_left() {
    run(|| {
        let raised = Cell::new(0);
        let left = move_on_after(secs(1), |_| {
            for _ in 0..5 {
                if nap(60).is_err_and(|error| error.is_cancelled()) {
                    raised.set(raised.get() + 1);
                }
                if nap(0).is_err_and(|error| error.is_cancelled()) {
                    raised.set(raised.get() + 1);
                }
            }
            assert_eq!(requests(), 1);
            Ok("swallowed them all")
        })?;
        assert_eq!((left, raised.get(), now()), (Some("swallowed them all"), 10, secs(1)));
        all_is_well()
    });
}

#[test]
fn another_error_of_a_cancelled_block_goes_on() {
    run(|| {
        let scope = CancelScope::after(secs(1));
        let outcome: Result<Option<()>> = scope.enter(|| {
            let _ = nap(60);
            raise!("burnt");
        });
        assert_eq!(outcome.unwrap_err().to_string(), "burnt");
        assert!(scope.cancel_called() && !scope.cancelled_caught());
        all_is_well()
    });
}

#[test]
fn a_cancellation_that_is_not_the_scopes_goes_on() {
    run(|| {
        let outcome: Result<Option<()>> = CancelScope::run(|scope| {
            scope.cancel(); // is raised by nobody: there is no await
            Err(coro_core::Cancelled::new().into())
        });
        assert!(outcome.unwrap_err().is_cancelled());
        all_is_well()
    });
}

#[test]
fn an_inner_scope_is_caught_by_itself() {
    run(|| {
        let outer = move_on_after(secs(10), |_| {
            assert_eq!(move_on_after(secs(1), |_| nap(60))?, None);
            all_is_well()?;
            Ok(())
        })?;
        assert_eq!(outer, Some(()));
        all_is_well()
    });
}

#[test]
fn an_outer_scope_passes_the_inner_one() {
    run(|| {
        let inner = CancelScope::after(secs(10));
        let outer = move_on_after(secs(1), |_| {
            inner.enter(|| nap(60))?;
            unreachable!("the cancellation goes on to the outer scope");
            #[expect(unreachable_code)]
            Ok(())
        })?;
        assert_eq!((outer, inner.cancelled_caught(), inner.cancel_called()), (None, false, false));
        all_is_well()
    });
}

#[test]
fn with_both_cancelled_the_outer_one_catches() {
    run(|| {
        // At the same moment; and the outer one while the cancellation of the inner one is on its way.
        let inner = CancelScope::after(secs(1));
        assert_eq!(move_on_after(secs(1), |_| inner.enter(|| nap(60)))?, None);
        assert!(!inner.cancelled_caught());
        all_is_well()?;

        let inner = CancelScope::new();
        let left = CancelScope::run(|outer| {
            inner.enter(|| {
                inner.cancel();
                let error = nap(60).unwrap_err();
                outer.cancel();
                Err::<(), _>(error)
            })
        })?;
        assert_eq!((left, inner.cancelled_caught()), (None, false));
        all_is_well()
    });
}

#[test]
fn a_shield_keeps_the_outer_scope_out() {
    run(|| {
        let cleaned = Cell::new(false);
        let left = move_on_after(secs(1), |_| {
            let result = nap(60);
            CancelScope::new().shield(true).enter(|| {
                nap(2)?;
                nap(0)?;
                cleaned.set(true);
                Ok(())
            })?;
            assert!(nap(1).is_err());
            result
        })?;
        assert_eq!((left, cleaned.get(), now()), (None, true, secs(3)));
        all_is_well()
    });
}

#[test]
fn a_shielded_scope_is_cancelled_by_itself() {
    run(|| {
        let left = move_on_after(secs(1), |_| {
            let result = nap(60);
            let inner = move_on_after(secs(2), |scope| {
                scope.set_shield(true);
                nap(60)
            })?;
            assert_eq!((inner, now()), (None, secs(3)));
            result
        })?;
        assert_eq!(left, None);
        all_is_well()
    });
}

#[test]
fn a_timeout_under_a_shield_knows_nothing_of_the_outer_scope() {
    run(|| {
        let left = move_on_after(secs(2), |_| {
            CancelScope::new().shield(true).enter(|| {
                let error = timeout(secs(5), || nap(60)).unwrap_err();
                assert!(error.is_timeout());
                all_is_well()
            })?;
            nap(60)
        })?;
        assert_eq!((left, now()), (None, secs(6)));
        all_is_well()
    });
}

#[test]
fn a_shield_that_is_lifted_lets_the_cancellation_in() {
    run(|| {
        let inner = CancelScope::new().shield(true);
        get_running_loop()?.call_later(secs(3), {
            let inner = inner.clone();
            move || inner.set_shield(false)
        });
        let left = move_on_after(secs(1), |_| inner.enter(|| nap(60)))?;
        assert_eq!((left, now()), (None, secs(3)));
        all_is_well()
    });
}

#[test]
fn a_cancellation_from_outside_goes_through() {
    run(|| {
        let task = create_task(coroutine(|| {
            let outcome = CancelScope::run(|_| nap(60));
            let counted = requests();
            Ok((outcome.unwrap_err().is_cancelled(), counted))
        }));
        nap(1)?;
        task.cancel();
        assert_eq!(task.co_await()?, (true, 1));
        Ok(())
    });
}

#[test]
fn a_cancellation_from_outside_comes_at_the_same_time() {
    for outside_first in [true, false] {
        run(move || {
            let scope = CancelScope::new();
            let task = create_task(coroutine({
                let scope = scope.clone();
                move || {
                    let outcome = scope.enter(|| nap(60));
                    let cancelled = outcome.unwrap_err().is_cancelled();
                    let counted = requests();
                    nap(1)?; // it is raised once
                    Ok((cancelled, counted, current_task().unwrap().uncancel()))
                }
            }));
            nap(1)?;
            if outside_first {
                task.cancel();
            }
            scope.cancel();
            if !outside_first {
                task.cancel();
            }
            assert_eq!(task.co_await()?, (true, 1, 0));
            assert!(scope.cancel_called() && !scope.cancelled_caught());
            Ok(())
        });
    }
}

#[test]
fn a_cancellation_from_outside_is_no_level() {
    run(|| {
        let task = create_task(coroutine(|| {
            move_on_after(secs(100), |_| {
                assert!(nap(60).is_err()); // once
                nap(60)
            })
        }));
        nap(1)?;
        task.cancel();
        assert_eq!((task.co_await()?, now()), (Some(()), secs(61)));
        Ok(())
    });
}

#[test]
fn what_was_there_already_is_not_lost() {
    run(|| {
        let scope = CancelScope::new();
        let future = coro_core::Future::new();
        get_running_loop()?.call_later(secs(1), {
            let (scope, future) = (scope.clone(), future.clone());
            move || {
                future.set_result(6).unwrap();
                scope.cancel();
            }
        });
        let mut got = None;
        let left = scope.enter(|| {
            got = Some(future.co_await()?);
            nap(1)
        })?;
        assert_eq!((got, left, now()), (Some(6), None, secs(1)));
        all_is_well()
    });
}

#[test]
fn a_deadline_can_be_moved() {
    run(|| {
        let moved = move_on_after(secs(1), |scope| {
            scope.set_deadline(Some(now() + secs(10)));
            nap(5)?;
            scope.set_deadline(None);
            nap(100)?;
            scope.set_deadline(Some(now())); // has passed
            assert!(scope.cancel_called());
            nap(1)
        })?;
        assert_eq!((moved, now()), (None, secs(105)));
        all_is_well()?;
        assert_eq!(move_on_after(Duration::ZERO, |_| Ok(6))?, Some(6));
        assert_eq!(move_on_after(Duration::ZERO, |_| nap(0))?, None);
        all_is_well()
    });
}

#[test]
fn cancelled_before_it_is_entered_and_after_it_was_left() {
    run(|| {
        let scope = CancelScope::new();
        scope.cancel();
        assert_eq!(scope.enter(|| nap(1))?, None);
        all_is_well()?;
        let scope = CancelScope::new();
        scope.enter(|| Ok(()))?;
        scope.cancel();
        assert!(!scope.cancel_called());
        all_is_well()
    });
}

#[test]
fn cleanup_holds_it_back() {
    run(|| {
        let left = move_on_after(secs(1), |_| {
            cleanup(|| nap(3))?;
            assert_eq!((requests(), now()), (0, secs(3)));
            nap(1)
        })?;
        assert_eq!((left, now()), (None, secs(3)));
        all_is_well()
    });
}

#[test]
fn a_group_in_a_cancelled_scope_waits_for_its_children() {
    run(|| {
        let log = RefCell::new(Vec::new());
        let left = move_on_after(secs(1), |_| {
            TaskGroup::scope(|group| {
                for n in [2, 4] {
                    let log = &log;
                    group.create_task(coroutine(move || {
                        let result = nap(60);
                        nap(n)?; // another task: it is cancelled once
                        log.borrow_mut().push((n, now()));
                        result
                    }));
                }
                Ok(())
            })
        })?;
        assert_eq!((left, now()), (None, secs(5)));
        assert_eq!(log.take(), [(2, secs(3)), (4, secs(5))]);
        all_is_well()
    });
}

#[test]
fn a_group_whose_block_swallows_waits_as_well() {
    run(|| {
        let left = move_on_after(secs(1), |_| {
            TaskGroup::scope(|group| {
                let slow = coroutine(|| cleanup(|| nap(5)));
                group.create_task(slow);
                assert!(nap(60).is_err());
                Ok(())
            })
        })?;
        assert_eq!((left, now()), (None, secs(5)));
        all_is_well()
    });
}

#[test]
fn the_errors_of_a_group_pass_a_cancelled_scope() {
    run(|| {
        let outcome = move_on_after(secs(1), |_| {
            TaskGroup::scope(|group| {
                group.create_task(coroutine(|| {
                    let _ = nap(60);
                    Err::<(), _>(Error::msg("burnt"))
                }));
                nap(60)
            })
        });
        assert!(outcome.unwrap_err().is::<ErrorGroup>());
        all_is_well()
    });
}

#[test]
fn a_condition_gets_its_lock_back() {
    run(|| {
        let condition = Rc::new(Condition::new(()));
        let waiting = create_task(coroutine({
            let condition = Rc::clone(&condition);
            move || {
                move_on_after(secs(2), |_| {
                    let mut guard = condition.lock().co_await()?;
                    let waited = guard.wait().co_await();
                    assert!(condition.locked());
                    waited
                })
            }
        }));
        nap(1)?;
        let guard = condition.lock().co_await()?;
        nap(5)?;
        drop(guard);
        assert_eq!((waiting.co_await()?, now()), (None, secs(6)));
        Ok(())
    });
}

#[test]
fn a_scope_in_a_child_is_the_childs() {
    run(|| {
        let scope = CancelScope::new();
        TaskGroup::scope(|group| {
            let limited = group.create_task(coroutine(|| scope.enter(|| nap(60))));
            let other = group.create_task(coroutine(|| nap(5)));
            nap(1)?;
            scope.cancel(); // from another task
            assert_eq!(limited.co_await()?, None);
            assert_eq!((now(), requests()), (secs(1), 0));
            other.co_await()
        })?;
        all_is_well()
    });
}

#[test]
fn a_task_that_is_awaited_is_cancelled_with_it() {
    run(|| {
        let task = create_task(coroutine(|| nap(60)));
        assert_eq!(move_on_after(secs(1), |_| (&task).co_await())?, None);
        assert!(task.cancelled());
        all_is_well()
    });
}

#[test]
fn timeouts_inside_and_outside() {
    run_ordered(|| {
        // The scope ends first: the limit in it is not what is raised.
        assert_eq!(move_on_after(secs(1), |_| timeout(secs(5), || nap(60)))?, None);
        // Both at once.
        assert_eq!(move_on_after(secs(1), |_| timeout(secs(1), || nap(60)))?, None);
        all_is_well()?;
        let error = timeout(secs(1), || move_on_after(secs(5), |_| nap(60))).unwrap_err();
        assert!(error.is_timeout());
        all_is_well()
    });
}

#[test]
fn no_generator_yields_while_a_scope_is_open() {
    run(|| {
        let mut numbers = generator(|y: &coro_core::Yielder<u32>| {
            CancelScope::run(|_| y.yield_(1))?;
            Ok(())
        });
        let error = numbers.next().unwrap().unwrap_err();
        assert!(error.is::<RuntimeError>() && error.to_string().contains("cannot yield while a scope"));
        all_is_well()
    });
}

#[test]
fn a_panic_leaves_the_scope() {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    run(|| {
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            CancelScope::run(|scope| -> Result<()> {
                scope.cancel();
                assert!(nap(1).is_err());
                panic!("burnt");
            })
        }));
        assert!(panicked.is_err());
        all_is_well()
    });
    std::panic::set_hook(hook);
}

#[test]
fn outside_a_task_it_is_refused() {
    let error = CancelScope::run(|_| Ok(())).unwrap_err();
    assert_eq!(error.to_string(), "CancelScope should be used inside a task");
    run(|| {
        let scope = CancelScope::new();
        scope.enter(|| {
            assert_eq!(
                scope.enter(|| Ok(())).unwrap_err().to_string(),
                "CancelScope has already been entered"
            );
            assert_eq!(format!("{scope:?}"), "<CancelScope [active]>");
            Ok(())
        })?;
        all_is_well()
    });
}

#[test]
fn a_loop_that_is_dropped_unwinds_its_scopes() {
    struct Gone(Rc<Cell<u32>>);
    impl Drop for Gone {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }
    let gone = Rc::new(Cell::new(0));
    let event_loop = coro_core::EventLoop::new().unwrap();
    for shielded in [false, true] {
        let gone = Gone(Rc::clone(&gone));
        event_loop.create_task(coroutine(move || {
            let _gone = gone;
            CancelScope::run(|scope| {
                scope.cancel();
                TaskGroup::scope(|group| {
                    group.create_task(coroutine(|| cleanup(|| nap(3600))));
                    nap(0) // in the second round the group waits, past its scope
                })
            })
            .and_then(|_| CancelScope::new().shield(shielded).enter(|| nap(3600)))
        }));
    }
    for _ in 0..5 {
        event_loop.run_until_complete(coroutine(|| nap(0))).unwrap();
    }
    drop(event_loop);
    assert_eq!(gone.get(), 2);
}

#[test]
fn in_a_coroutine_that_is_driven_by_another() {
    run(|| {
        let shared = coroutine(|| {
            let limited = move_on_after(secs(1), |_| {
                let _ = nap(60);
                nap(60)
            })?;
            all_is_well()?;
            Ok(limited)
        })
        .shared();
        assert_eq!(shared.co_await()?, None);
        assert_eq!(now(), secs(2));
        // By hand, in the task that the scope belongs to.
        let mut by_hand = coroutine(|| move_on_after(secs(1), |_| nap(60)));
        let mut step = by_hand.send(None)?;
        let limited = loop {
            step = match step {
                Step::Returned(limited) => break limited,
                Step::Suspended(awaited) => match suspend(awaited) {
                    Ok(sent) => by_hand.send(sent)?,
                    Err(error) => by_hand.throw(error)?,
                },
            }
        };
        assert_eq!((limited, now()), (None, secs(3)));
        all_is_well()
    });
}

#[test]
fn combinators_in_a_cancelled_scope() {
    run(|| {
        let task = create_task(coroutine(|| nap(60)));
        let left = move_on_after(secs(1), |scope| {
            assert!(nap(60).is_err() && scope.cancel_called());
            assert!(gather((1..=2).map(|n| sleep(secs(n)))).co_await().unwrap_err().is_cancelled());
            assert!(wait_for(coroutine(|| nap(1)), secs(5)).co_await().unwrap_err().is_cancelled());
            assert!(shield(task.future()).co_await().unwrap_err().is_cancelled());
            assert!(to_thread(|| ()).co_await().unwrap_err().is_cancelled());
            assert!(std::future::pending::<()>().co_await().unwrap_err().is_cancelled());
            assert!(Event::new().wait().co_await().unwrap_err().is_cancelled());
            let lock = Lock::new(());
            let _guard = lock.lock().co_await()?; // is free: there is nothing to wait for
            assert!(lock.lock().co_await().unwrap_err().is_cancelled());
            nap(1)
        })?;
        assert_eq!((left, now()), (None, secs(1)));
        assert!(!task.done());
        all_is_well()
    });
}

#[test]
fn scopes_between_groups_and_limits() {
    run_ordered(|| {
        let inner = CancelScope::after(secs(1));
        let outer = move_on_after(secs(1), |_| {
            timeout(secs(1), || {
                TaskGroup::scope(|group| {
                    group.create_task(coroutine(|| nap(60)));
                    inner.enter(|| nap(60))
                })
            })
        })?;
        assert_eq!((outer, now(), inner.cancelled_caught()), (None, secs(1), false));
        all_is_well()
    });
}

async_fn! {
    async fn with_statement(scope: CancelScope) -> Duration {
        async with scope.clone() as same {
            assert!(!same.cancel_called());
            let _ = try_await!(sleep(secs(60)));
            await!(sleep(secs(60)));
        }
        now()
    }
}

#[test]
fn as_a_context_manager() {
    run(|| {
        let scope = CancelScope::after(secs(2));
        assert_eq!(with_statement(scope.clone()).co_await()?, secs(2));
        assert!(scope.cancelled_caught());
        all_is_well()
    });
}

#[test]
fn left_in_any_order() {
    run(|| {
        let (mut first, mut second) = (CancelScope::new(), CancelScope::new());
        let (_, inner) = (first.aenter()?, second.aenter()?);
        first.aexit(None)?; // as coroutines driven by hand may
        inner.cancel();
        let error = nap(1).unwrap_err();
        assert!(second.aexit(Some(&error))?);
        all_is_well()
    });
}

#[test]
fn a_child_says_when_it_is_ready() {
    run(|| {
        TaskGroup::scope(|group| {
            let server = group.start(|started| {
                coroutine(move || {
                    nap(1)?;
                    started.send(8080);
                    nap(5)
                })
            });
            assert_eq!((server.co_await()?, now()), (8080, secs(1)));
            Ok(())
        })?;
        assert_eq!(now(), secs(6));
        all_is_well()
    });
}

#[test]
fn a_child_that_ends_before_it_is_ready() {
    run(|| {
        TaskGroup::scope(|group| {
            let silent = group.start(|_: coro_core::Started<u32>| coroutine(|| nap(1)));
            let error = silent.co_await().unwrap_err();
            assert_eq!(error.to_string(), "child exited without calling started()");
            let failing = group
                .start(|_: coro_core::Started<u32>| coroutine(|| Err::<(), _>(Error::msg("no such port"))));
            assert_eq!(failing.co_await().unwrap_err().to_string(), "no such port");
            all_is_well() // it is not the group's
        })
    });
}

#[test]
fn the_error_of_a_child_that_was_ready_is_the_groups() {
    run(|| {
        let outcome = TaskGroup::scope(|group| {
            let server = group.start(|started| {
                coroutine(move || {
                    started.send(());
                    nap(1)?;
                    Err::<(), _>(Error::msg("burnt"))
                })
            });
            server.co_await()?;
            nap(60)
        });
        assert!(outcome.unwrap_err().is::<ErrorGroup>());
        assert_eq!(now(), secs(1));
        all_is_well()
    });
}

#[test]
fn a_start_that_is_cancelled_cancels_the_child() {
    run(|| {
        TaskGroup::scope(|group| {
            let never = group.start(|_: coro_core::Started<u32>| coroutine(|| nap(60)));
            assert_eq!(move_on_after(secs(1), |_| never.co_await())?, None);
            Ok(())
        })?;
        assert_eq!(now(), secs(1));
        all_is_well()
    });
}

#[test]
fn a_group_that_has_ended_starts_nobody() {
    run(|| {
        let mut group = TaskGroup::new();
        group.aenter()?;
        group.aexit(None)?;
        let late = group.start(|_: coro_core::Started<u32>| coroutine(|| nap(1)));
        assert!(late.co_await().unwrap_err().to_string().contains("is finished"));
        all_is_well()
    });
}
