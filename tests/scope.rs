//! Scopes: children that borrow from the frames of whoever opened the scope, which outlive them whatever happens.

mod common;

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use common::{Log, quiet_panics, reported, run};
use coro_core::prelude::*;
use coro_core::{ErrorGroup, Future};

/// A child that uses what it borrows after many awaits, cancelled or not.
fn slow<'a>(log: &'a Log, text: &'a str) -> BoxChild<'a> {
    coroutine(move || {
        let result = sleep(secs(1)).co_await();
        cleanup(|| sleep(secs(1)).co_await())?;
        log.push(text);
        result
    })
    .boxed()
}

type BoxChild<'a> = coro_core::LocalBoxCoroutine<'a, ()>;

#[test]
fn a_scope_waits_when_its_block_returns_early() {
    let log = Log::new();
    run(|| {
        let text = String::from("child");
        let result: Result<u32> = TaskGroup::scope(|group| {
            group.create_task(slow(&log, &text));
            sleep(millis(1)).co_await()?; // it has begun by then
            raise!("early");
        });
        log.push("after");
        drop(text);
        // As in asyncio, what the block raises is in the group.
        assert_eq!(result.unwrap_err().downcast_ref::<ErrorGroup>().unwrap().errors().len(), 1);
        Ok(())
    })
    .unwrap();
    assert_eq!(log.take(), ["child", "after"]);
}

#[test]
fn a_scope_waits_when_its_block_panics() {
    quiet_panics();
    let log = Log::new();
    run(|| {
        let text = String::from("child");
        let caught = catch_unwind(AssertUnwindSafe(|| {
            TaskGroup::scope(|group| -> Result<()> {
                group.create_task(slow(&log, &text));
                sleep(millis(1)).co_await()?; // it has begun by then
                panic!("meant: in the block");
            })
        }));
        assert_eq!(*caught.unwrap_err().downcast::<&str>().unwrap(), "meant: in the block");
        log.push("after");
        drop(text);
        Ok(())
    })
    .unwrap();
    assert_eq!(log.take(), ["child", "after"]);
}

#[test]
fn a_panic_of_a_child_is_an_error_of_the_scope() {
    quiet_panics();
    let log = Log::new();
    run(|| {
        let text = String::from("sibling");
        let error = TaskGroup::scope(|group| {
            group.create_task(slow(&log, &text));
            group.create_task(coroutine(|| -> Result<()> { panic!("meant: in a child") }));
            Ok(())
        })
        .unwrap_err();
        let group = error.downcast_ref::<ErrorGroup>().unwrap();
        assert!(group.errors().len() == 1 && group.errors()[0].is_panic());
        Ok(())
    })
    .unwrap();
    assert_eq!(log.take(), ["sibling"]);
}

#[test]
fn a_scope_whose_task_is_cancelled_again_and_again_still_waits() {
    let log = Log::new();
    run(|| {
        let opener = create_task(coroutine({
            let log = log.clone();
            move || {
                let text = String::from("child");
                let result = TaskGroup::scope(|group| {
                    group.create_task(slow(&log, &text));
                    Ok(())
                });
                log.push("after");
                result
            }
        }));
        for _ in 0..10 {
            sleep(millis(150)).co_await()?;
            opener.cancel();
        }
        assert!(opener.co_await().unwrap_err().is_cancelled());
        Ok(())
    })
    .unwrap();
    assert_eq!(log.take(), ["child", "after"]);
}

#[test]
fn a_scope_under_a_timeout_waits_beyond_it() {
    let log = Log::new();
    run(|| {
        let text = String::from("child");
        let error = timeout(millis(500), || {
            TaskGroup::scope(|group| {
                group.create_task(slow(&log, &text));
                Ok(())
            })
        })
        .unwrap_err();
        assert!(error.is_timeout());
        assert_eq!(get_running_loop()?.time(), millis(1500));
        Ok(())
    })
    .unwrap();
    assert_eq!(log.take(), ["child"]);
}

#[test]
fn scopes_nest_and_their_children_make_more() {
    let log = Log::new();
    run(|| {
        let mut counts = [0_u32; 3];
        let (first, rest) = counts.split_at_mut(1);
        let log = &log;
        TaskGroup::scope(|outer| {
            outer.create_task(coroutine(|| {
                sleep(secs(1)).co_await()?;
                first[0] += 1;
                // A child makes a sibling while the block has long ended.
                outer.create_task(coroutine(move || {
                    sleep(secs(1)).co_await()?;
                    log.push("grandchild");
                    Ok(())
                }));
                Ok(())
            }));
            TaskGroup::scope(|inner| {
                for count in rest {
                    inner.create_task(coroutine(|| {
                        sleep(secs(1)).co_await()?;
                        *count += 1;
                        Ok(())
                    }));
                }
                Ok(())
            })
        })?;
        assert_eq!(counts, [1, 1, 1]);
        Ok(())
    })
    .unwrap();
    assert_eq!(log.take(), ["grandchild"]);
}

#[test]
fn a_child_cancelled_before_its_start_is_dropped_without_a_report() {
    let log = Log::new();
    let (result, reports) = reported(|| {
        run(|| {
            let task = create_task(coroutine(|| Ok(())));
            task.cancel();
            assert!(task.co_await().unwrap_err().is_cancelled());
            let flag = log.flag("captured");
            TaskGroup::scope(|group| {
                let child = group.create_task(coroutine(move || {
                    let _flag = flag;
                    Ok(())
                }));
                child.cancel();
                Ok(())
            })
        })
    });
    result.unwrap();
    assert_eq!(log.take(), ["captured"]);
    assert!(reports.is_empty(), "{reports:?}");
}

#[test]
fn results_that_nobody_claimed_are_dropped_before_the_scope_returns() {
    struct Result_<'a>(&'a Log, &'a str);
    impl Drop for Result_<'_> {
        fn drop(&mut self) {
            self.0.push(self.1);
        }
    }
    let log = Log::new();
    run(|| {
        let text = String::from("unclaimed");
        TaskGroup::scope(|group| {
            group.create_task(coroutine(|| Ok(Result_(&log, &text))));
            let kept = group.create_task(coroutine(|| Ok(Result_(&log, "claimed"))));
            drop(kept.co_await()?);
            Ok(())
        })?;
        log.push("after");
        Ok(())
    })
    .unwrap();
    let log = log.take();
    assert_eq!(log.last().unwrap(), "after");
    assert_eq!(log.len(), 3, "{log:?}");
}

#[test]
fn a_handle_kept_by_a_sibling_is_dropped_with_its_result_before_the_scope_returns() {
    let log = Log::new();
    run(|| {
        let flag = log.flag("result");
        TaskGroup::scope(|group| {
            let child = group.create_task(coroutine(move || Ok(flag)));
            group.create_task(coroutine(move || {
                sleep(secs(1)).co_await()?;
                drop(child);
                Ok(())
            }));
            Ok(())
        })?;
        log.push("after");
        Ok(())
    })
    .unwrap();
    assert_eq!(log.take(), ["result", "after"]);
}

#[test]
fn a_scope_outside_a_task_is_refused() {
    let open = || TaskGroup::scope(|_| Ok(()));
    assert_eq!(open().unwrap_err().to_string(), "no running event loop");
    run(|| {
        let error = Rc::new(RefCell::new(None));
        let inner = error.clone();
        get_running_loop()?.call_soon(move || *inner.borrow_mut() = open().err());
        sleep(secs(0)).co_await()?;
        sleep(secs(0)).co_await()?;
        let error = error.take().unwrap().to_string();
        assert!(error.contains("cannot determine the parent task"), "{error}");
        let error = coro_core::no_suspend(open).unwrap_err().to_string();
        assert!(error.contains("cannot determine the parent task"), "{error}");
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_child_on_a_loop_that_is_refused_its_stack_borrows_nothing() {
    let (result, _) = reported(|| {
        run(|| {
            let text = String::from("borrowed");
            let builder = || coro_core::TaskBuilder::new().stack_size(1);
            TaskGroup::scope(|group| {
                let child = group.create_task_with(builder(), coroutine(|| Ok(text.len())));
                assert!(child.done());
                assert!(child.co_await().unwrap_err().is::<coro_core::stack::StackError>());
                Ok(())
            })
        })
    });
    result.unwrap();
}

#[test]
fn a_deadlock_below_a_scope_ends_the_children_first() {
    let log = Log::new();
    let error = run(|| {
        let text = String::from("child ended");
        TaskGroup::scope(|group| {
            group.create_task(coroutine(|| {
                let result = (&Future::<()>::new()).co_await();
                log.push(&*text);
                result
            }));
            Ok(())
        })
    })
    .unwrap_err();
    assert!(error.is::<coro_core::Deadlock>() || error.is_cancelled(), "{error:?}");
    assert_eq!(log.take(), ["child ended"]);
}

#[test]
fn a_child_that_runs_a_generator_over_borrowed_data_is_cancelled_in_the_middle() {
    let log = Log::new();
    run(|| {
        let text = String::from("abc");
        let seen = Cell::new(0);
        TaskGroup::scope(|group| {
            let child = group.create_task(coroutine(|| {
                let letters = coro_core::generator(|y: &coro_core::Yielder<char>| {
                    let _flag = log.flag("generator closed");
                    for letter in text.chars() {
                        sleep(secs(1)).co_await()?;
                        y.yield_(letter)?;
                    }
                    Ok(())
                });
                letters.lend(|letters| {
                    for letter in letters {
                        letter?;
                        seen.set(seen.get() + 1);
                    }
                    Ok(())
                })
            }));
            sleep(millis(1500)).co_await()?;
            child.cancel();
            Ok(())
        })?;
        assert_eq!(seen.get(), 1);
        Ok(())
    })
    .unwrap();
    assert_eq!(log.take(), ["generator closed"]);
}
