//! `AsyncExitStack` and `aclosing`: everything is left, in reverse order, whatever happens on the way.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};

use common::{Log, event_loop, quiet_panics, reported, run};
use coro_core::prelude::*;
use coro_core::{AsyncExitStack, Panicked, ValueError, Yielder, aclosing, async_generator};

/// Says what it sees when it is entered and left, and awaits in both.
struct Manager {
    name: &'static str,
    log: Log,
    does: Does,
}

#[derive(Clone, Copy, PartialEq)]
enum Does {
    Nothing,
    Swallow,
    Raise,
    RefuseToEnter,
    Panic,
}

impl AsyncContextManager for Manager {
    type Value = &'static str;

    fn aenter(&mut self) -> Result<&'static str> {
        sleep(secs(1)).co_await()?;
        self.log.push(format!("enter {}", self.name));
        if self.does == Does::RefuseToEnter {
            raise!(ValueError::new("refused"));
        }
        Ok(self.name)
    }

    fn aexit(&mut self, error: Option<&Error>) -> Result<bool> {
        let seen = error.map_or_else(|| "nothing".to_owned(), ToString::to_string);
        self.log.push(format!("leave {} with {seen}", self.name));
        let waited = sleep(secs(1)).co_await();
        match self.does {
            Does::Raise => raise!("raised by {}", self.name),
            Does::Panic => panic!("meant: {}", self.name),
            Does::Swallow => waited.map(|()| true),
            _ => waited.map(|()| false),
        }
    }
}

fn manager(log: &Log, name: &'static str, does: Does) -> Manager {
    Manager { name, log: log.clone(), does }
}

/// Enters one manager for each entry, then leaves with `error`. What came of it, and what was seen while leaving.
fn leave_with(does: &[Does], error: Option<Error>) -> (Result<bool>, Vec<String>) {
    let log = Log::new();
    let result = run(|| {
        let mut stack = AsyncExitStack::new();
        for (does, name) in does.iter().zip(["a", "b", "c"]) {
            assert_eq!(stack.enter(manager(&log, name, *does))?, name);
        }
        log.take();
        Ok(stack.aexit(error.as_ref()))
    });
    (result.unwrap(), log.take())
}

use Does::{Nothing, Panic, Raise, Swallow};

#[test]
fn what_was_entered_is_left_in_reverse_order() {
    let (result, seen) = leave_with(&[Nothing, Nothing, Nothing], None);
    assert!(!result.unwrap());
    assert_eq!(seen, ["leave c with nothing", "leave b with nothing", "leave a with nothing"]);
    // Without an error, there is nothing to swallow.
    assert!(!leave_with(&[Nothing, Swallow], None).0.unwrap());
}

#[test]
fn an_error_is_seen_by_all_and_goes_on() {
    let (result, seen) = leave_with(&[Nothing, Nothing], Some(Error::msg("burnt")));
    assert!(!result.unwrap());
    assert_eq!(seen, ["leave b with burnt", "leave a with burnt"]);
}

#[test]
fn an_error_that_is_swallowed_is_not_seen_by_those_after() {
    let (result, seen) = leave_with(&[Nothing, Swallow, Nothing], Some(Error::msg("burnt")));
    assert!(result.unwrap());
    assert_eq!(seen, ["leave c with burnt", "leave b with burnt", "leave a with nothing"]);
}

#[test]
fn an_error_that_is_replaced_is_the_cause_of_the_new_one() {
    let first = Error::msg("burnt");
    let (result, seen) = leave_with(&[Nothing, Raise, Raise], Some(first.clone()));
    assert_eq!(seen, ["leave c with burnt", "leave b with raised by c", "leave a with raised by b"]);
    let error = result.unwrap_err();
    assert_eq!(error.to_string(), "raised by b");
    let cause = error.cause().unwrap();
    assert_eq!(cause.to_string(), "raised by c");
    assert!(cause.cause().unwrap().same(&first));
}

#[test]
fn an_error_raised_while_leaving_can_be_swallowed_by_the_next() {
    let (result, seen) = leave_with(&[Nothing, Swallow, Raise], None);
    assert!(!result.unwrap(), "nothing was received");
    assert_eq!(seen, ["leave c with nothing", "leave b with raised by c", "leave a with nothing"]);
    assert!(leave_with(&[Swallow, Raise], Some(Error::msg("burnt"))).0.unwrap());
    let again = leave_with(&[Raise, Swallow], Some(Error::msg("burnt"))).0.unwrap_err();
    assert_eq!(again.to_string(), "raised by a");
    assert!(again.cause().is_none(), "the first was swallowed before");
}

#[test]
fn an_error_that_has_a_cause_or_is_kept_elsewhere_is_not_touched() {
    let kept = Error::msg("kept");
    let own = Error::caused_by(ValueError::new("own"), Error::msg("its cause"));
    for (raised, cause) in [(kept, None), (own, Some("its cause"))] {
        let mut stack = AsyncExitStack::new();
        let again = raised.clone();
        stack.push(move |_| Err(again));
        let error = stack.aexit(Some(&Error::msg("burnt"))).unwrap_err();
        assert!(error.same(&raised));
        assert_eq!(error.cause().map(ToString::to_string).as_deref(), cause);
    }
    // An exit that raises what it was given changes nothing.
    let mut stack = AsyncExitStack::new();
    stack.push(|error| Err(error.unwrap().clone()));
    let burnt = Error::msg("burnt");
    assert!(stack.aexit(Some(&burnt)).unwrap_err().same(&burnt));
}

#[test]
fn a_panic_of_an_exit_is_seen_by_the_others_and_cannot_be_swallowed() {
    quiet_panics();
    let log = Log::new();
    let caught = run(|| {
        let stack = AsyncExitStack::new();
        stack.enter(manager(&log, "a", Swallow))?;
        stack.push(|error| {
            assert!(error.unwrap().is::<Panicked>());
            Ok(false)
        });
        stack.enter(manager(&log, "b", Panic))?;
        Ok(catch_unwind(AssertUnwindSafe(|| stack.aclose())))
    });
    assert_eq!(*caught.unwrap().unwrap_err().downcast::<String>().unwrap(), "meant: b");
    assert_eq!(log.take()[2..], ["leave b with nothing", "leave a with panicked: meant: b"]);
}

#[test]
fn a_manager_that_cannot_be_entered_is_not_left_and_the_others_are() {
    let log = Log::new();
    async_fn! {
        async fn program(log: &Log) {
            async with AsyncExitStack::new() as stack {
                stack.enter(manager(log, "a", Nothing))?;
                stack.enter(manager(log, "b", Does::RefuseToEnter))?;
                unreachable!();
            }
        }
    }
    let error = run(|| program(&log).co_await()).unwrap_err();
    assert!(error.is::<ValueError>());
    assert_eq!(log.take(), ["enter a", "enter b", "leave a with refused"]);
}

#[test]
fn a_cancellation_at_each_await_leaves_everything_that_was_entered() {
    let mut traces = Vec::new();
    for half_seconds in [1, 3, 5, 7, 9] {
        let log = Log::new();
        run(|| {
            let task = create_task(coroutine({
                let log = log.clone();
                move || {
                    let mut stack = AsyncExitStack::new();
                    let entered = stack.enter(manager(&log, "a", Nothing));
                    let entered = entered.and_then(|_| stack.enter(manager(&log, "b", Nothing)));
                    let block = entered.and_then(|_| sleep(secs(1)).co_await());
                    match block {
                        Ok(()) => stack.aclose(),
                        Err(error) => stack.aexit(Some(&error)).and(Err(error)),
                    }
                }
            }));
            sleep(millis(500 * half_seconds)).co_await()?;
            task.cancel();
            assert!(task.co_await().unwrap_err().is_cancelled());
            Ok(())
        })
        .unwrap();
        traces.push(log.take().join(", "));
    }
    let expected = [
        "",
        "enter a, leave a with cancelled",
        "enter a, enter b, leave b with cancelled, leave a with cancelled",
        "enter a, enter b, leave b with nothing, leave a with cancelled",
        "enter a, enter b, leave b with nothing, leave a with nothing",
    ];
    assert_eq!(traces, expected);
}

#[test]
fn pop_all_moves_everything_out_of_the_block() {
    let log = Log::new();
    run(|| {
        let mut stack = AsyncExitStack::new();
        stack.aenter()?.enter(manager(&log, "a", Nothing))?;
        let opened = stack.pop_all();
        assert!(stack.is_empty() && !opened.is_empty());
        assert!(!stack.aexit(Some(&Error::msg("burnt")))?);
        log.push("block left");
        opened.aclose()?;
        opened.aclose()
    })
    .unwrap();
    assert_eq!(log.take(), ["enter a", "block left", "leave a with nothing"]);
}

#[test]
fn exits_may_use_the_stack_that_they_are_on() {
    let log = Log::new();
    run(|| {
        let stack = AsyncExitStack::new();
        let (handle, again) = (stack.clone(), log.clone());
        stack.callback(move || {
            again.push("first");
            let pushed = again.clone();
            handle.callback(move || {
                pushed.push("pushed while leaving");
                Ok(())
            });
            assert!(!handle.is_empty());
            Ok(())
        });
        stack.aclose()?;
        assert!(stack.is_empty());
        Ok(())
    })
    .unwrap();
    assert_eq!(log.take(), ["first", "pushed while leaving"]);
}

#[test]
fn a_lock_that_is_borrowed_can_be_entered() {
    run(|| {
        let locks = [Lock::new(1), Lock::new(2)];
        let stack = AsyncExitStack::new();
        let guards: Vec<LockGuard<'_, u32>> =
            locks.iter().map(|lock| stack.enter(lock)).collect::<Result<_>>()?;
        assert_eq!(guards.iter().map(|guard| **guard).sum::<u32>(), 3);
        drop(guards);
        stack.aclose()
    })
    .unwrap();
}

#[test]
fn a_stack_that_is_dropped_before_it_was_left_is_reported_and_dropped_in_reverse_order() {
    let log = Log::new();
    let ((), reports) = reported(|| {
        let stack = AsyncExitStack::new();
        for name in ["a", "b"] {
            let flag = log.flag(name);
            stack.callback(move || {
                drop(flag);
                unreachable!()
            });
        }
    });
    assert_eq!(log.take(), ["b", "a"]);
    assert_eq!(reports, ["an AsyncExitStack was dropped with 2 exits that were never left"]);
    let ((), reports) = reported(|| drop(AsyncExitStack::new()));
    assert!(reports.is_empty());
}

#[test]
fn a_stack_on_a_task_that_is_ended_by_force_is_dropped_without_a_report_of_its_own() {
    let log = Log::new();
    let event_loop = event_loop();
    let flag = log.flag("dropped");
    event_loop.create_task(coroutine(move || {
        let stack = AsyncExitStack::new();
        stack.callback(move || {
            drop(flag);
            unreachable!()
        });
        sleep(secs(60)).co_await()?;
        stack.aclose()
    }));
    event_loop.run_until_complete(sleep(secs(0))).unwrap();
    let ((), reports) = reported(|| drop(event_loop));
    assert_eq!((log.take(), reports.len()), (vec!["dropped".to_owned()], 1), "{reports:?}");
    assert!(reports[0].starts_with("Task was destroyed"));
}

#[test]
fn a_generator_in_aclosing_is_closed_whatever_happens() {
    quiet_panics();
    let log = Log::new();
    run(|| {
        let eggs = || {
            let log = log.clone();
            async_generator(move |y: &Yielder<u32>| {
                let result = (1..).try_for_each(|egg| y.yield_(egg));
                sleep(secs(1)).co_await()?;
                log.push("closed");
                result
            })
        };
        assert_eq!(aclosing(eggs(), |eggs| eggs.anext())?, Some(1));
        let error = aclosing(eggs(), |eggs| -> Result<()> {
            eggs.anext()?;
            raise!("burnt");
        });
        assert_eq!(error.unwrap_err().to_string(), "burnt");
        let caught = catch_unwind(AssertUnwindSafe(|| {
            aclosing(eggs(), |eggs| -> Result<()> {
                eggs.anext()?;
                panic!("meant: in aclosing");
            })
        }));
        assert!(caught.is_err());
        assert_eq!(log.take(), ["closed", "closed", "closed"]);
        assert_eq!(get_running_loop()?.time(), secs(3));
        Ok(())
    })
    .unwrap();
}

#[test]
fn an_error_of_the_cleanup_of_a_generator_in_aclosing_is_raised() {
    let bad = || {
        async_generator(|y: &Yielder<u32>| {
            y.yield_(1).ok();
            raise!("cleanup failed")
        })
    };
    let error = aclosing(bad(), |eggs| eggs.anext()).unwrap_err();
    assert_eq!((error.to_string().as_str(), error.cause().is_none()), ("cleanup failed", true));
    let both = aclosing(bad(), |eggs| -> Result<()> {
        eggs.anext()?;
        raise!("burnt");
    });
    let both = both.unwrap_err();
    assert_eq!(
        (both.to_string(), both.cause().unwrap().to_string()),
        ("cleanup failed".into(), "burnt".into())
    );
}

#[test]
fn a_cancellation_while_a_generator_is_closed_by_aclosing_is_raised() {
    run(|| {
        let task = create_task(coroutine(|| {
            let slow = async_generator(|y: &Yielder<u32>| {
                y.yield_(1).ok();
                sleep(secs(2)).co_await()
            });
            aclosing(slow, |slow| slow.anext())
        }));
        sleep(secs(1)).co_await()?;
        task.cancel();
        assert!(task.co_await().unwrap_err().is_cancelled());
        assert_eq!(get_running_loop()?.time(), secs(1));
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_manager_made_from_a_generator_can_be_entered() {
    let log = Log::new();
    run(|| {
        let log = log.clone();
        let connection = async_generator(move |y: &Yielder<&str>| {
            let left = y.yield_("open");
            sleep(secs(1)).co_await()?;
            log.push(format!("closed: {:?}", left.as_ref().map_err(ToString::to_string)));
            left
        });
        let mut stack = AsyncExitStack::new();
        assert_eq!(stack.enter(context_manager(connection))?, "open");
        assert!(!stack.aexit(Some(&Error::msg("burnt")))?);
        Ok(())
    })
    .unwrap();
    assert_eq!(log.take(), [r#"closed: Err("burnt")"#]);
}
