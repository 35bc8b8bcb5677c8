//! What is asked for where it cannot be had gives a typed error that says so.

mod common;

use std::cell::RefCell;
use std::rc::Rc;

use common::{event_loop, next_round, reported, run, run_ordered};
use coro_core::prelude::*;
use coro_core::stack::StackError;
use coro_core::{Awaited, Future, Runner, RuntimeError, Step, StreamReader, Timeout, suspend};

/// What `f` gives inside a callback of the running loop.
fn in_callback<T: 'static>(f: impl FnOnce() -> T + 'static) -> Result<T> {
    let value = Rc::new(RefCell::new(None));
    let inner = value.clone();
    get_running_loop()?.call_soon(move || *inner.borrow_mut() = Some(f()));
    sleep(secs(1)).co_await()?;
    Ok(value.take().expect("the callback ran"))
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T>, message: &str) {
    let error = result.unwrap_err();
    assert!(error.is::<RuntimeError>(), "{error:?}");
    assert_eq!(error.to_string(), message);
}

#[test]
fn awaiting_without_a_loop_is_refused() {
    refused(sleep(secs(1)).co_await(), "no running event loop");
    refused((&Future::<u32>::new()).co_await(), "no running event loop");
    refused(
        suspend(Awaited::Yield),
        "no running event loop: await inside a task, or drive the coroutine by hand",
    );
    refused(std::future::pending::<()>().co_await(), "no running event loop");
    refused(timeout(secs(1), || Ok(())), "Timeout should be used inside a task");
    assert_eq!(async { 1 }.co_await().unwrap(), 1, "what is ready needs no loop");
    assert_eq!(
        coroutine(|| Ok(1)).co_await().unwrap(),
        1,
        "a coroutine that does not wait needs none either"
    );
}

#[test]
fn awaiting_in_a_callback_is_refused() {
    run(|| {
        let message = "cannot await in a callback: only tasks can wait";
        refused(in_callback(|| sleep(secs(1)).co_await())?, message);
        refused(in_callback(|| sleep(secs(0)).co_await())?, message);
        refused(in_callback(|| (&Future::<u32>::new()).co_await())?, message);
        refused(in_callback(|| std::future::pending::<()>().co_await())?, message);
        let lock = Rc::new(Lock::new(()));
        let free = lock.clone();
        assert!(in_callback(move || free.lock().co_await().is_ok())?, "what need not wait is allowed");
        let (guard, held) = (lock.lock().co_await()?, lock.clone());
        refused(in_callback(move || held.lock().co_await().map(drop))?, message);
        drop(guard);
        assert!(lock.try_lock().is_some(), "the refused one has left the queue");
        Ok(())
    })
    .unwrap();
}

#[test]
fn awaiting_in_a_done_callback_is_refused_and_sees_no_task() {
    run(|| {
        let seen = Rc::new(RefCell::new(None));
        let task = create_task(coroutine(|| Ok(1)));
        let inner = seen.clone();
        task.add_done_callback(move |_| {
            *inner.borrow_mut() = Some((coro_core::current_task().is_none(), sleep(secs(1)).co_await()));
        });
        task.co_await()?;
        sleep(secs(0)).co_await()?;
        let (no_task, result) = seen.take().unwrap();
        assert!(no_task);
        refused(result, "cannot await in a callback: only tasks can wait");
        Ok(())
    })
    .unwrap();
}

#[test]
fn awaiting_in_the_poll_of_a_stackless_task_is_refused() {
    run(|| {
        let task = create_task(async { sleep(secs(1)).co_await() });
        refused(task.co_await()?, "cannot await in the poll of a task made from a std future");
        // The same future, polled on the stack of a task, may suspend.
        async { sleep(secs(1)).co_await() }.co_await()?
    })
    .unwrap();
}

#[test]
fn awaiting_in_no_suspend_is_refused_and_afterwards_is_not() {
    run(|| {
        refused(coro_core::no_suspend(|| sleep(secs(1)).co_await()), "cannot await inside no_suspend()");
        let panicked = std::panic::catch_unwind(|| {
            coro_core::no_suspend(|| std::panic::resume_unwind(Box::new(())));
        });
        assert!(panicked.is_err());
        sleep(secs(1)).co_await()
    })
    .unwrap();
}

#[test]
fn a_coroutine_driven_by_hand_suspends_even_inside_a_barrier() {
    coro_core::no_suspend(|| {
        let mut waiting = coroutine(|| suspend(Awaited::Yield).map(drop));
        assert!(matches!(waiting.send(None), Ok(Step::Suspended(Awaited::Yield))));
        assert!(matches!(waiting.send(None), Ok(Step::Returned(()))));
    });
}

#[test]
fn run_inside_a_running_loop_is_refused_and_its_main_is_not_reported() {
    let (result, reports) = reported(|| {
        run(|| {
            let main = || coroutine(|| Ok(()));
            refused(coro_core::run(main()), "run() cannot be called from a running event loop");
            refused(Runner::new().run(main()), "Runner.run() cannot be called from a running event loop");
            let other = event_loop();
            refused(
                other.run_until_complete(main()),
                "Cannot run the event loop while another loop is running",
            );
            let own = get_running_loop()?;
            refused(own.run_until_complete(main()), "This event loop is already running");
            refused(own.run_forever(), "This event loop is already running");
            refused(
                in_callback(move || coro_core::run(main()))?,
                "run() cannot be called from a running event loop",
            );
            sleep(secs(1)).co_await()
        })
    });
    result.unwrap();
    assert!(reports.is_empty(), "{reports:?}");
}

#[test]
fn what_runs_nested_waits_in_the_task_and_is_refused_in_a_callback() {
    fn nap() -> Result<Duration> {
        coro_core::run_nested(coroutine(|| {
            sleep(secs(1)).co_await()?;
            Ok(get_running_loop()?.time())
        }))
    }
    let (result, reports) = reported(|| {
        run(|| {
            // The others go on meanwhile.
            let other = create_task(coroutine(nap));
            assert_eq!(nap()?, secs(1));
            assert_eq!(other.co_await()?, secs(1));
            // It may borrow, and a cancellation is raised in it.
            let cancelled = std::cell::Cell::new(false);
            let borrowing = || {
                coro_core::run_nested(coroutine(|| {
                    sleep(secs(60)).co_await().inspect_err(|error| cancelled.set(error.is_cancelled()))
                }))
            };
            assert!(wait_for(coroutine(borrowing), secs(1)).co_await().unwrap_err().is_timeout());
            assert!(cancelled.get());
            // One in the other.
            assert_eq!(coro_core::run_nested(coroutine(nap))?, secs(3));
            refused(in_callback(nap)?, "run_nested() waits, and a callback cannot: only tasks can");
            Ok(())
        })
    });
    result.unwrap();
    assert!(reports.is_empty(), "{reports:?}");
    // Where no loop runs it is `run`.
    assert_eq!(coro_core::run_nested(coroutine(|| Ok(6))).unwrap(), 6);
}

#[test]
fn a_task_on_a_closed_loop_or_without_one_has_failed_already() {
    let (orphan, reports) = reported(|| create_task(coroutine(|| Ok(1))));
    refused(orphan.co_await(), "no running event loop");
    let event_loop = event_loop();
    event_loop.close().unwrap();
    let task = event_loop.create_task(coroutine(|| Ok(1)));
    assert!(task.done());
    refused(task.co_await(), "Event loop is closed");
    refused(event_loop.run_in_executor(|| 1).result(), "Event loop is closed");
    assert!(reports.is_empty(), "{reports:?}");
}

#[test]
fn a_task_group_that_was_not_entered_or_has_ended_refuses_children() {
    run(|| {
        let mut group = TaskGroup::new();
        let early = group.create_task(coroutine(|| Ok(())));
        assert!(early.co_await().unwrap_err().to_string().contains("has not been entered"));
        group.aenter()?;
        group.aexit(None)?;
        let late = group.create_task(coroutine(|| Ok(())));
        assert!(late.co_await().unwrap_err().to_string().contains("is finished"));
        assert!(group.aenter().unwrap_err().to_string().contains("has already been entered"));
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_timeout_is_entered_once_and_inside_a_task() {
    run(|| {
        let mut limit = Timeout::new(secs(1));
        limit.aenter()?;
        refused(limit.aenter(), "Timeout has already been entered");
        limit.aexit(None)?;
        refused(
            in_callback(|| Timeout::new(secs(1)).aenter().map(drop))?,
            "Timeout should be used inside a task",
        );
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_future_of_another_loop_cannot_be_awaited() {
    let other = event_loop();
    let foreign = other.create_future::<u32>();
    run(|| {
        let error = (&foreign).co_await().unwrap_err();
        assert!(error.to_string().contains("attached to a different loop"), "{error}");
        sleep(secs(1)).co_await()
    })
    .unwrap();
}

#[test]
fn a_task_cannot_await_itself() {
    run(|| {
        let me = coro_core::current_task().unwrap();
        let error = suspend(Awaited::Future(me.any())).unwrap_err();
        assert!(error.to_string().starts_with("Task cannot await on itself"), "{error}");
        sleep(secs(1)).co_await()
    })
    .unwrap();
}

#[test]
fn a_command_that_no_loop_knows_is_an_error_at_the_await() {
    run(|| {
        let error = suspend(Awaited::Command(Box::new(7))).unwrap_err();
        assert!(error.to_string().starts_with("Task got bad yield"), "{error}");
        sleep(secs(1)).co_await()
    })
    .unwrap();
}

#[test]
fn a_stack_size_that_cannot_be_is_a_typed_error() {
    let too_small = |error: Error| matches!(error.downcast_ref(), Some(StackError::TooSmall { asked: 1 }));
    let too_large =
        |error: Error| matches!(error.downcast_ref(), Some(StackError::TooLarge { asked: usize::MAX }));
    let main = || coroutine(|| Ok(()));
    assert!(too_small(coro_core::RunBuilder::new().stack_size(1).run(main()).unwrap_err()));
    assert!(too_large(coro_core::LoopBuilder::new().stack_size(usize::MAX).build().unwrap_err()));
    let numbers = || coro_core::generator(|y: &coro_core::Yielder<u32>| y.yield_(1));
    assert!(too_small(numbers().stack_size(1).start().unwrap_err()));
    assert!(too_large(numbers().stack_size(usize::MAX).next().unwrap().unwrap_err()));
    run(|| {
        let task = |bytes| coro_core::TaskBuilder::new().stack_size(bytes).create(coroutine(|| Ok(())));
        assert!(too_small(task(1).co_await().unwrap_err()));
        assert!(too_large(task(usize::MAX).co_await().unwrap_err()));
        let own = get_running_loop()?;
        assert!(too_small(own.set_stack_size(1).unwrap_err()));
        assert!(too_large(own.set_stack_size(usize::MAX).unwrap_err()));
        create_task(coroutine(|| Ok(()))).co_await()
    })
    .unwrap();
}

#[test]
fn a_loop_that_is_stopped_under_a_borrowing_main_cancels_it_first() {
    let mut log = Vec::new();
    let lent = String::from("lent to main");
    let result = run(|| {
        get_running_loop()?.call_later(secs(1), || get_running_loop().unwrap().stop());
        let error = sleep(secs(60)).co_await().unwrap_err();
        log.push(format!("{lent}: {}", error.is_cancelled()));
        cleanup(|| sleep(secs(1)).co_await())?;
        log.push("main ended".to_owned());
        Err::<(), _>(error)
    });
    refused(result, "Event loop stopped before Future completed.");
    assert_eq!(log, ["lent to main: true", "main ended"]);
}

#[test]
fn a_loop_may_be_stopped_again_and_again_while_its_main_cleans_up() {
    fn stop_every_second() {
        let own = get_running_loop().unwrap();
        own.stop();
        own.call_later(secs(1), stop_every_second);
    }
    let lent = String::from("lent");
    let mut cleaned_up = None;
    let result = run(|| {
        stop_every_second();
        let error = sleep(secs(3600)).co_await().unwrap_err();
        sleep(secs(300)).co_await()?; // the later stops do not cancel again
        cleaned_up = Some(lent.len());
        Err::<(), _>(error)
    });
    refused(result, "Event loop stopped before Future completed.");
    assert_eq!(cleaned_up, Some(4));
}

#[test]
fn a_main_that_ends_well_after_a_stop_is_still_an_error() {
    let result = run(|| {
        get_running_loop()?.stop();
        let _ = sleep(secs(1)).co_await();
        Ok(1)
    });
    refused(result, "Event loop stopped before Future completed.");
}

#[test]
fn handles_of_the_wrong_thread_are_refused_by_the_compiler_or_by_name() {
    // `Task`, `Future`, `EventLoop`, `Generator`, `Coroutine` are `!Send`; what is `Send` says whose thread it is on.
    run(|| {
        let handle = get_running_loop()?.handle();
        let future = handle.run_coroutine_threadsafe(|| sleep(secs(1)));
        let error = future.result(secs(1)).unwrap_err();
        assert_eq!(error.to_string(), "a loop's own thread cannot block for its loop: await the result");
        future.co_await()?
    })
    .unwrap();
}

#[test]
fn a_second_reader_that_comes_in_between_is_served_and_the_first_is_told() {
    run_ordered(|| {
        let mut reader = StreamReader::new();
        let first = create_task(reader.clone().readexactly(4));
        next_round()?;
        let second = create_task(reader.clone().readexactly(2));
        reader.feed_data(b"x")?; // wakes the first, and before its turn the second begins to wait
        next_round()?;
        reader.feed_data(b"yz")?;
        let message = "readexactly() called while another coroutine is already waiting for incoming data";
        refused(first.co_await(), message);
        assert_eq!(second.co_await()?, b"xy");
        assert_eq!(reader.read(9).co_await()?, b"z");
        Ok(())
    })
    .unwrap();
}
