//! Generators and coroutines driven by hand: what may be open across a yield, who may step them, how they end.

mod common;

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use common::{Log, assert_aborted, in_child, quiet_panics, reported, run};
use coro_core::prelude::*;
use coro_core::{
    Awaited, FrameState, Future, RuntimeError, Step, Timeout, ValueError, Yielder, async_generator,
    generator, suspend,
};

const OPEN: &str = "cannot yield while a scope, a timeout or a loop is open in the generator";

/// The error of a yield inside `around`, where `around` calls the closure it is given.
fn yield_inside(around: impl FnOnce(&mut dyn FnMut() -> Result<()>) -> Result<()> + 'static) -> Error {
    run(|| {
        let error = Rc::new(RefCell::new(None));
        let inner = error.clone();
        let mut numbers = generator(move |y: &Yielder<u32>| {
            around(&mut || {
                *inner.borrow_mut() = y.yield_(1).err();
                Ok(())
            })
        });
        numbers.start()?;
        Ok(error.take().expect("the yield was refused"))
    })
    .unwrap()
}

#[test]
fn a_scope_open_across_a_yield_is_refused() {
    let error = yield_inside(|body| TaskGroup::scope(|_| body()));
    assert!(error.is::<RuntimeError>());
    assert_eq!(error.to_string(), OPEN);
}

#[test]
fn a_timeout_open_across_a_yield_is_refused() {
    assert_eq!(yield_inside(|body| timeout(secs(1), body)).to_string(), OPEN);
}

#[test]
fn a_timeout_entered_by_hand_is_open_until_it_is_left() {
    let error = yield_inside(|body| {
        let mut limit = Timeout::new(secs(1));
        limit.aenter()?;
        body()
    });
    assert_eq!(error.to_string(), OPEN);
    let error = yield_inside(|body| {
        let mut limit = Timeout::new(secs(1));
        coro_core::no_suspend(|| limit.aenter())?; // the barrier is gone before the limit is
        body()
    });
    assert_eq!(error.to_string(), OPEN);
}

#[test]
fn a_task_group_open_across_a_yield_is_refused() {
    let error = yield_inside(|body| {
        let mut group = TaskGroup::new();
        group.aenter()?;
        let result = body();
        group.aexit(None)?;
        result
    });
    assert_eq!(error.to_string(), OPEN);
}

#[test]
fn a_cleanup_open_across_a_yield_is_refused() {
    assert_eq!(yield_inside(|body| cleanup(body)).to_string(), OPEN);
}

#[test]
fn a_wait_for_open_across_a_yield_is_refused() {
    run(|| {
        let mut numbers =
            generator(|y: &Yielder<u32>| wait_for(coroutine(|| y.yield_(1)), secs(1)).co_await());
        assert_eq!(numbers.start().unwrap_err().to_string(), OPEN);
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_loop_that_runs_in_a_generator_cannot_be_left_by_a_yield() {
    let numbers = generator(|y: &Yielder<u32>| {
        let error = coro_core::run(coroutine(|| y.yield_(1))).unwrap_err();
        assert_eq!(error.to_string(), "cannot yield from a stack that the generator does not run on");
        y.yield_(2) // afterwards it can
    });
    assert_eq!(numbers.collect::<Result<Vec<_>>>().unwrap(), [2]);
}

#[test]
fn no_suspend_holds_yields_back_too() {
    let error = yield_inside(|body| coro_core::no_suspend(body));
    assert_eq!(error.to_string(), "cannot yield from a stack that the generator does not run on");
}

#[test]
fn what_was_closed_before_the_yield_does_not_count() {
    run(|| {
        let numbers = generator(|y: &Yielder<u32>| {
            TaskGroup::scope(|group| {
                group.create_task(sleep(secs(1)));
                Ok(())
            })?;
            let _ = timeout(secs(1), || sleep(secs(2)).co_await());
            cleanup(|| sleep(secs(1)).co_await())?;
            let mut limit = Timeout::new(secs(1));
            limit.aenter()?;
            limit.aexit(None)?;
            let caught = catch_unwind(AssertUnwindSafe(|| {
                timeout(secs(1), || -> Result<()> { std::panic::resume_unwind(Box::new(())) })
            }));
            assert!(caught.is_err());
            y.yield_(7)
        });
        assert_eq!(numbers.collect::<Result<Vec<_>>>()?, [7]);
        Ok(())
    })
    .unwrap();
}

#[test]
fn what_the_consumer_has_open_does_not_count() {
    run(|| {
        let mut numbers = generator(|y: &Yielder<u32>| y.yield_(1));
        timeout(secs(1), || TaskGroup::scope(|_| numbers.start().map(drop)))
    })
    .unwrap();
}

#[test]
fn a_timeout_that_outlives_the_generator_that_entered_it_touches_no_dead_stack() {
    run(|| {
        let limit = Timeout::new(secs(60));
        let mut inner = limit.clone();
        let mut numbers = generator(move |_: &Yielder<u32>| inner.aenter().map(drop));
        numbers.start()?; // the generator has ended, its stack is in the pool, the limit is still entered
        let canary = || {
            let mut other = generator(|y: &Yielder<u32>| {
                let bytes = std::hint::black_box([0x5A_u8; 8 * 1024]);
                y.yield_(1)?;
                assert!(bytes.iter().all(|byte| *byte == 0x5A));
                Ok(())
            });
            other.start().map(|_| other)
        };
        let mut on_the_same_stack = canary()?;
        let mut limit = limit;
        limit.aexit(None)?;
        drop(limit);
        on_the_same_stack.send(()).map(drop)
    })
    .unwrap();
}

#[test]
fn a_yield_from_the_stack_of_a_child_task_is_refused() {
    run(|| {
        let mut numbers = generator(|y: &Yielder<u32>| {
            TaskGroup::scope(|group| {
                let child = group.create_task(coroutine(move || Ok(y.yield_(1).unwrap_err())));
                let error = child.co_await()?;
                assert_eq!(error.to_string(), "cannot yield from a stack that the generator does not run on");
                Ok(())
            })
        });
        numbers.start().map(drop)
    })
    .unwrap();
}

#[test]
fn a_generator_may_be_yielded_from_one_that_runs_on_top_of_it() {
    let numbers = generator(|outer: &Yielder<u32>| {
        let inner = generator(|inner: &Yielder<u32>| {
            outer.yield_(1)?;
            inner.yield_(2)?;
            outer.yield_(3)
        });
        inner.lend(|inner| {
            for value in inner {
                outer.yield_(value? * 10)?;
            }
            Ok(())
        })
    });
    assert_eq!(numbers.collect::<Result<Vec<_>>>().unwrap(), [1, 20, 3]);
}

#[test]
fn one_that_was_suspended_from_above_is_closed_from_above() {
    let log = Log::new();
    let flags = log.clone();
    let mut numbers = generator(move |outer: &Yielder<u32>| {
        let _outer = flags.flag("outer");
        let inner = generator(|_: &Yielder<u32>| {
            let _inner = flags.flag("inner");
            outer.yield_(1)
        });
        inner.lend(|mut inner| inner.start()).map(drop)
    });
    numbers.start().unwrap();
    drop(numbers);
    assert_eq!(log.take(), ["inner", "outer"]);
}

#[test]
fn a_generator_moves_from_one_task_to_another_between_two_items() {
    run(|| {
        let numbers = async_generator(|y: &Yielder<String>| {
            loop {
                sleep(secs(1)).co_await()?;
                let who = coro_core::current_task().expect("a task asked").get_name();
                y.yield_(who)?;
            }
            #[expect(unreachable_code)]
            Ok(())
        });
        let numbers = Rc::new(Cell::new(Some(numbers)));
        let ask = |name: &str| {
            let numbers = numbers.clone();
            coro_core::TaskBuilder::new().name(name).create(coroutine(move || {
                let mut own = numbers.take().expect("nobody else has it");
                let item = own.anext();
                numbers.set(Some(own));
                item
            }))
        };
        assert_eq!(ask("first").co_await()?.unwrap(), "first");
        assert_eq!(ask("second").co_await()?.unwrap(), "second");
        // A third task is cancelled in the middle of an item: the generator sees it at its await.
        let third = ask("third");
        sleep(millis(500)).co_await()?;
        third.cancel();
        assert!(third.co_await().unwrap_err().is_cancelled());
        assert_eq!(numbers.take().unwrap().state(), FrameState::Closed);
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_coroutine_driven_by_hand_moves_from_one_task_to_another_with_what_runs_on_it() {
    run(|| {
        let waiting = coroutine(|| {
            let mut numbers = generator(|y: &Yielder<u32>| {
                suspend(Awaited::Yield)?; // the coroutine is suspended from the generator's stack
                y.yield_(5)
            });
            numbers.start()
        });
        let waiting = Rc::new(RefCell::new(waiting));
        let step = |waiting: &Rc<RefCell<_>>| {
            let waiting: Rc<RefCell<coro_core::Coroutine<_>>> = waiting.clone();
            create_task(coroutine(move || {
                let step = waiting.borrow_mut().send(None)?;
                Ok(matches!(step, Step::Returned(coro_core::GeneratorState::Yielded(5))))
            }))
        };
        assert!(!step(&waiting).co_await()?);
        assert!(step(&waiting).co_await()?);
        Ok(())
    })
    .unwrap();
}

#[test]
fn stepping_a_generator_that_runs_is_an_error() {
    let slot = Rc::new(RefCell::new(None));
    let own = slot.clone();
    let numbers = generator(move |y: &Yielder<u32>| {
        let own: coro_core::SharedGenerator<u32, (), ()> = own.take().unwrap();
        assert!(own.send(()).unwrap_err().is::<ValueError>());
        assert!(own.close().unwrap_err().is::<ValueError>());
        assert_eq!(own.state(), FrameState::Running);
        y.yield_(1)
    })
    .shared();
    *slot.borrow_mut() = Some(numbers.clone());
    numbers.start().unwrap();
    numbers.close().unwrap();
}

#[test]
fn a_shared_generator_that_waits_for_its_consumer_cannot_be_stepped_by_another() {
    run(|| {
        let numbers = generator(|y: &Yielder<u32>| {
            sleep(secs(1)).co_await()?;
            y.yield_(1)
        })
        .shared();
        let consumer = create_task(coroutine({
            let numbers = numbers.clone();
            move || numbers.start()
        }));
        sleep(millis(1)).co_await()?;
        assert!(numbers.start().unwrap_err().is::<ValueError>());
        consumer.co_await().map(drop)
    })
    .unwrap();
}

#[test]
fn one_that_ignores_generator_exit_is_reported_and_unwound() {
    let log = Log::new();
    let flag = log.flag("local");
    let ((), reports) = reported(|| {
        let mut stubborn = generator(move |y: &Yielder<u32>| {
            let _flag = flag;
            loop {
                let _ = y.yield_(1);
            }
            #[expect(unreachable_code)]
            Ok(())
        });
        stubborn.start().unwrap();
    });
    assert_eq!(log.take(), ["local"]);
    assert_eq!(reports, ["generator 'generator' ignored GeneratorExit"]);
}

#[test]
fn one_that_catches_every_unwind_is_leaked_with_a_report() {
    let before = coro_core::stack::stats().in_use;
    let ((), reports) = reported(|| {
        let mut stubborn = generator(move |y: &Yielder<u32>| {
            loop {
                let _ = catch_unwind(AssertUnwindSafe(|| y.yield_(1)));
            }
            #[expect(unreachable_code)]
            Ok(())
        });
        stubborn.start().unwrap();
    });
    assert_eq!(reports.len(), 2, "{reports:?}");
    assert!(reports[1].contains("leaked: it catches every attempt to unwind it"), "{reports:?}");
    assert_eq!(coro_core::stack::stats().in_use, before + 1);
}

/// A leaked stack that borrows would let a thread it has started use what it borrows for ever.
#[cfg(all(unix, panic = "unwind"))]
#[test]
fn one_that_borrows_and_cannot_be_unwound_ends_the_process() {
    let child = in_child("one_that_borrows_and_cannot_be_unwound_ends_the_process", || {
        let text = String::from("borrowed");
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let stopped = std::sync::Mutex::new(stopped);
        let stubborn = generator(|y: &Yielder<u32>| {
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    let _ = stopped.lock().unwrap().recv();
                    assert_eq!(text, "borrowed");
                });
                loop {
                    let _ = catch_unwind(AssertUnwindSafe(|| y.yield_(1)));
                }
            })
        });
        let first = stubborn.lend(|mut stubborn: coro_core::Lent<'_, u32, (), ()>| stubborn.next());
        drop(first);
        drop(text); // the thread still reads it
        drop(stop);
    });
    if let Some(child) = child {
        assert_aborted(&child, "generator 'generator' borrows from its caller and cannot end");
    }
}

#[test]
fn an_error_while_closing_is_reported() {
    let ((), reports) = reported(|| {
        let mut failing = generator(|y: &Yielder<u32>| y.yield_(1).map_err(|_| Error::msg("while closing")));
        failing.start().unwrap();
    });
    assert_eq!(reports.len(), 1);
    assert!(
        reports[0].starts_with("closing generator 'generator' raised Error: while closing"),
        "{reports:?}"
    );
}

#[test]
fn a_suspended_async_generator_awaits_in_its_cleanup_where_it_is_dropped() {
    run(|| {
        let mut numbers = async_generator(|y: &Yielder<u32>| {
            let result = y.yield_(1);
            sleep(secs(2)).co_await()?;
            result
        });
        numbers.anext()?;
        drop(numbers);
        assert_eq!(get_running_loop()?.time(), secs(2));
        Ok(())
    })
    .unwrap();
}

#[test]
fn one_that_awaits_in_its_cleanup_without_a_loop_is_reported() {
    let ((), reports) = reported(|| {
        let mut numbers = async_generator(|y: &Yielder<u32>| {
            let _ = y.yield_(1);
            suspend(Awaited::Yield).map(drop)
        });
        numbers.start().unwrap();
    });
    assert_eq!(reports.len(), 1);
    assert!(reports[0].contains("no running event loop"), "{reports:?}");
}

#[test]
fn a_panic_leaves_a_generator_closed_and_its_stack_in_the_pool() {
    quiet_panics();
    let before = coro_core::stack::stats().in_use;
    let mut numbers = generator(|_: &Yielder<u32>| -> Result<()> { panic!("meant: in a generator") });
    assert!(catch_unwind(AssertUnwindSafe(|| numbers.start())).is_err());
    assert_eq!(numbers.state(), FrameState::Closed);
    assert_eq!(coro_core::stack::stats().in_use, before);
    assert!(numbers.send(()).is_err());
}

#[test]
fn a_panic_in_the_close_of_a_dropped_generator_goes_on_in_the_one_who_drops() {
    quiet_panics();
    let caught = catch_unwind(|| {
        let mut numbers = generator(|y: &Yielder<u32>| -> Result<()> {
            let _ = y.yield_(1);
            panic!("meant: while closing")
        });
        numbers.start().unwrap();
        drop(numbers);
    });
    assert!(caught.is_err());
}

#[test]
fn a_coroutine_that_is_dropped_while_a_scope_is_open_on_it_is_leaked_with_the_scope() {
    let before = coro_core::stack::stats().in_use;
    let log = Log::new();
    let (result, reports) = reported(|| {
        run(|| {
            let flags = log.clone();
            let mut waiting = coroutine(move || {
                let lent = flags.flag("lent to a child");
                TaskGroup::scope(|group| {
                    group.create_task(coroutine(|| {
                        let _borrowed = &lent;
                        loop {
                            let _ = sleep(secs(1)).co_await(); // will not be cancelled
                            if get_running_loop()?.time() > secs(3) {
                                return Ok(());
                            }
                        }
                    }));
                    Ok(())
                })
            });
            assert!(matches!(waiting.send(None)?, Step::Suspended(Awaited::Future(_))));
            drop(waiting);
            sleep(secs(10)).co_await()
        })
    });
    result.unwrap();
    assert!(log.take().is_empty(), "what was lent must outlive the child");
    assert!(reports.iter().any(|r| r.contains("leaked: other tasks borrow from its stack")), "{reports:?}");
    assert_eq!(coro_core::stack::stats().in_use, before + 1);
}

#[test]
fn a_scope_on_a_coroutine_driven_by_hand_ends_when_its_driver_lets_it() {
    run(|| {
        let mut waiting = coroutine(|| {
            let mut lent = 0;
            TaskGroup::scope(|group| {
                group.create_task(coroutine(|| {
                    sleep(secs(1)).co_await()?;
                    lent = 1;
                    Ok(())
                }));
                Ok(())
            })?;
            Ok(lent)
        });
        let mut resumed_too_early = 0;
        loop {
            match waiting.send(None)? {
                Step::Returned(lent) => {
                    assert_eq!(lent, 1);
                    break;
                }
                Step::Suspended(_) => resumed_too_early += 1,
            }
            sleep(millis(300)).co_await()?;
        }
        assert!(resumed_too_early > 1);
        Ok(())
    })
    .unwrap_err(); // being resumed before the children were done counts as an error of the block
}

#[test]
fn a_future_awaited_by_hand_that_is_resumed_too_early_is_an_error() {
    run(|| {
        let future = Future::<u32>::new();
        let mut waiting = coroutine({
            let future = future.clone();
            move || future.co_await()
        });
        assert!(matches!(waiting.send(None)?, Step::Suspended(Awaited::Future(_))));
        let error = waiting.send(None).unwrap_err();
        assert_eq!(error.to_string(), "the await of a future was resumed before the future was done");
        Ok(())
    })
    .unwrap();
}

#[test]
fn delegating_to_one_that_waits_for_a_value_or_whose_result_is_gone_is_an_error() {
    let echo = || {
        generator(|y: &Yielder<u32, u32>| {
            let sent = y.yield_(1)?;
            y.yield_(sent)
        })
    };
    let error_of = |inner| {
        let mut outer = generator(|y: &Yielder<u32, u32>| y.yield_from(inner));
        let error = outer.start().unwrap_err();
        assert!(error.is::<RuntimeError>());
        error.to_string()
    };
    let mut waiting = echo();
    waiting.start().unwrap();
    assert_eq!(error_of(waiting), "cannot delegate to a generator that waits for a value");
    let mut ended = echo();
    ended.close().unwrap();
    assert_eq!(error_of(ended), "cannot delegate to a generator that has ended");
}

#[test]
fn a_type_of_no_size_is_not_taken_for_nothing() {
    #[derive(Debug, PartialEq)]
    struct Token<'a>(std::marker::PhantomData<&'a mut ()>);
    let inner = |y: &Yielder<u32, Token<'static>>| y.yield_(1);
    let mut waiting = generator(inner);
    waiting.start().unwrap();
    let mut outer = generator(|y: &Yielder<u32, Token<'static>>| y.yield_from(waiting));
    assert!(outer.start().unwrap_err().is::<RuntimeError>());
}

#[test]
fn a_shared_generator_that_is_delegated_to_may_be_stepped_and_closed_by_others() {
    let log = Log::default();
    let sum = generator({
        let log = log.clone();
        move |y: &Yielder<u32, u32>| {
            let mut sum = 0;
            let ended = loop {
                match y.yield_(sum) {
                    Ok(sent) => sum += sent,
                    Err(error) => break Err(error),
                }
            };
            log.push(format!("ends at {sum}"));
            ended
        }
    });
    let sum = sum.shared();
    let inner = sum.clone();
    let mut outer = generator(move |y: &Yielder<u32, u32>| -> Result<()> { y.yield_from(inner) });
    assert_eq!(outer.start().unwrap(), GeneratorState::Yielded(0));
    assert_eq!(outer.send(1).unwrap(), GeneratorState::Yielded(1));
    assert_eq!(sum.send(10).unwrap(), GeneratorState::Yielded(11));
    assert_eq!(outer.send(100).unwrap(), GeneratorState::Yielded(111));
    sum.close().unwrap();
    assert_eq!(outer.send(1000).unwrap(), GeneratorState::Returned(()));
    assert_eq!(log.take(), ["ends at 111"]);
}

#[test]
fn an_end_of_iteration_raised_in_a_body_does_not_end_it_silently() {
    let mut raising = generator(|_: &Yielder<u32>| -> Result<()> { Err(coro_core::StopIteration.into()) });
    assert!(raising.start().unwrap_err().is::<RuntimeError>());
    let mut waiting = coroutine(|| -> Result<()> { Err(coro_core::StopIteration.into()) });
    assert!(waiting.send(None).unwrap_err().is::<RuntimeError>());
}
