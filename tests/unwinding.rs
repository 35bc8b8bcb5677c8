//! No suspension while a thread unwinds; outside an unwind, a destructor may await.

mod common;

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Mutex;

use common::{Log, quiet_panics, reported, run};
use coro_core::prelude::*;
use coro_core::{Runner, RuntimeError, Yielder, generator};

/// Calls a closure when it is dropped.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// What `f` gives while the thread unwinds from a panic.
fn while_unwinding<T>(f: impl FnOnce() -> T) -> T {
    let (mut f, mut value) = (Some(f), None);
    let caught = catch_unwind(AssertUnwindSafe(|| {
        let _on_drop = OnDrop(|| value = f.take().map(|f| f()));
        panic!("meant: to unwind");
    }));
    assert!(caught.is_err());
    value.expect("the destructor ran")
}

#[test]
fn an_await_that_starts_while_the_thread_unwinds_is_refused() {
    quiet_panics();
    run(|| {
        let error = while_unwinding(|| sleep(secs(1)).co_await()).unwrap_err();
        assert!(error.is::<RuntimeError>());
        assert_eq!(error.to_string(), "cannot await while the thread is unwinding from a panic");
        let task = create_task(sleep(secs(1)));
        assert!(while_unwinding(|| (&task).co_await()).unwrap_err().is::<RuntimeError>());
        task.co_await()
    })
    .unwrap();
}

#[test]
fn no_other_task_runs_or_sees_panicking_while_one_unwinds() {
    quiet_panics();
    let mutex = Rc::new(Mutex::new(0));
    run(|| {
        let seen = Rc::new(Cell::new(0));
        let innocent = create_task(coroutine({
            let (seen, mutex) = (seen.clone(), mutex.clone());
            move || {
                loop {
                    assert!(!std::thread::panicking());
                    *mutex.lock().unwrap() += 1; // a guard dropped while panicking would poison the mutex
                    seen.set(seen.get() + 1);
                    sleep(secs(0)).co_await()?;
                }
                #[expect(unreachable_code)]
                Ok(())
            }
        }));
        sleep(secs(0)).co_await()?;
        let before = seen.get();
        while_unwinding(|| {
            for _ in 0..3 {
                assert!(sleep(secs(0)).co_await().is_err());
            }
        });
        assert_eq!(seen.get(), before, "the await in the destructor switched to another task");
        for _ in 0..2 {
            sleep(secs(0)).co_await()?; // the other may come after us in the first round
        }
        assert!(seen.get() > before);
        innocent.cancel();
        Ok(())
    })
    .unwrap();
    assert!(!mutex.is_poisoned());
}

#[test]
fn a_scope_is_refused_while_the_thread_unwinds() {
    quiet_panics();
    run(|| {
        let error = while_unwinding(|| {
            TaskGroup::scope(|group| {
                group.create_task(coroutine(|| Ok(())));
                Ok(())
            })
        })
        .unwrap_err();
        assert_eq!(error.to_string(), "cannot open a scope while the thread is unwinding from a panic");
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_task_group_left_while_the_thread_unwinds_fails_instead_of_spinning() {
    quiet_panics();
    run(|| {
        let mut group = TaskGroup::new();
        group.aenter()?;
        let child = group.create_task(sleep(secs(1)));
        let error = while_unwinding(|| group.aexit(None)).unwrap_err();
        assert!(error.is::<RuntimeError>(), "{error:?}");
        child.co_await()
    })
    .unwrap();
}

#[test]
fn run_is_refused_while_the_thread_unwinds() {
    quiet_panics();
    let refused = "cannot run a loop while the thread is unwinding from a panic";
    let main = || coroutine(|| Ok(1));
    assert_eq!(while_unwinding(|| coro_core::run(main())).unwrap_err().to_string(), refused);
    let mut runner = Runner::new();
    assert_eq!(while_unwinding(|| runner.run(main())).unwrap_err().to_string(), refused);
    assert_eq!(runner.run(main()).unwrap(), 1);
    let event_loop = common::event_loop();
    assert_eq!(while_unwinding(|| event_loop.run_until_complete(main())).unwrap_err().to_string(), refused);
    assert_eq!(while_unwinding(|| event_loop.run_forever()).unwrap_err().to_string(), refused);
}

#[test]
fn closing_a_runner_while_the_thread_unwinds_ends_its_tasks_by_force() {
    quiet_panics();
    let log = Log::new();
    let mut runner = Runner::with(coro_core::RunBuilder::new().virtual_clock());
    let flag = log.flag("task");
    runner
        .run(coroutine(|| {
            create_task(coroutine(move || {
                let _flag = flag;
                sleep(secs(60)).co_await()
            }));
            sleep(secs(0)).co_await()
        }))
        .unwrap();
    let (closed, _) = reported(|| while_unwinding(|| runner.close()));
    assert!(closed.unwrap_err().to_string().contains("while the thread is unwinding"));
    assert_eq!(log.take(), ["task"]);
}

#[test]
fn a_generator_dropped_while_the_thread_unwinds_is_unwound_and_cannot_yield_or_await() {
    quiet_panics();
    let log = Log::new();
    run(|| {
        let (flag, inner) = (log.flag("local"), log.clone());
        let mut numbers = generator(move |y: &Yielder<u32>| {
            let _flag = flag;
            let _on_drop = OnDrop(|| {
                inner.push(format!("await refused: {}", sleep(secs(1)).co_await().is_err()));
                inner.push(format!("yield refused: {}", y.yield_(2).is_err()));
            });
            let result = y.yield_(1);
            inner.push("must not go on after the yield");
            result
        });
        numbers.start()?;
        let mut numbers = Some(numbers);
        while_unwinding(|| drop(numbers.take()));
        assert!(!std::thread::panicking());
        Ok(())
    })
    .unwrap();
    assert_eq!(log.take(), ["await refused: true", "yield refused: true", "local"]);
}

#[test]
fn a_generator_may_be_run_to_its_end_while_the_thread_unwinds() {
    quiet_panics();
    let mut numbers = generator(|y: &Yielder<u32>| y.yield_(1));
    numbers.start().unwrap();
    // It is resumed, and its next yield would be refused; it has none.
    assert!(while_unwinding(|| numbers.send(())).is_ok());
    let mut endless = generator(|y: &Yielder<u32>| {
        loop {
            y.yield_(1)?;
        }
        #[expect(unreachable_code)]
        Ok(())
    });
    let error = while_unwinding(|| endless.start()).unwrap_err();
    assert_eq!(error.to_string(), "cannot yield while the thread is unwinding from a panic");
}

#[test]
fn a_coroutine_driven_by_hand_that_is_dropped_while_the_thread_unwinds_is_unwound() {
    quiet_panics();
    let log = Log::new();
    let flag = log.flag("local");
    let mut waiting = coroutine(move || {
        let _flag = flag;
        coro_core::suspend(coro_core::Awaited::Yield).map(drop)
    });
    waiting.send(None).unwrap();
    let mut waiting = Some(waiting);
    while_unwinding(|| drop(waiting.take()));
    assert_eq!(log.take(), ["local"]);
}

#[test]
fn a_destructor_outside_an_unwind_may_await() {
    let log = Log::new();
    let time = run(|| {
        let task = create_task(coroutine({
            let log = log.clone();
            move || {
                let _closes = OnDrop(|| {
                    sleep(secs(3)).co_await().unwrap();
                    log.push("closed");
                });
                Ok(())
            }
        }));
        task.co_await()?;
        Ok(get_running_loop()?.time())
    })
    .unwrap();
    assert_eq!((log.take(), time), (vec!["closed".to_owned()], secs(3)));
}

#[test]
fn a_destructor_of_an_early_return_awaits_before_the_result_is_there() {
    let log = Log::new();
    run(|| {
        let early = || -> Result<()> {
            let _closes = OnDrop(|| sleep(secs(1)).co_await().unwrap());
            raise!("early");
        };
        assert_eq!(early().unwrap_err().to_string(), "early");
        assert_eq!(get_running_loop()?.time(), secs(1));
        log.push("after");
        Ok(())
    })
    .unwrap();
    assert_eq!(log.take(), ["after"]);
}

#[test]
fn a_panic_in_a_task_unwinds_its_nested_stacks_in_order() {
    quiet_panics();
    let log = Log::new();
    run(|| {
        let task = create_task(coroutine({
            let log = log.clone();
            move || -> Result<()> {
                let _outer = log.flag("task");
                let inner = log.clone();
                let mut numbers = generator(move |y: &Yielder<u32>| {
                    let _flag = inner.flag("generator");
                    y.yield_(1)?;
                    panic_now("meant: in the generator")
                });
                numbers.start()?;
                numbers.send(())?;
                unreachable!("the panic goes on in the one who resumed")
            }
        }));
        let error = task.co_await().unwrap_err();
        assert!(error.is_panic() && error.to_string().contains("in the generator"));
        Ok(())
    })
    .unwrap();
    assert_eq!(log.take(), ["generator", "task"]);
}

fn panic_now(text: &str) -> Result<()> {
    panic!("{text}");
}
