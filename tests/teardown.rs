//! The end of loops, runners and threads: what is left on them is dropped in order, or leaked with a report.

mod common;

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use common::{Log, assert_well, event_loop, in_child, quiet_panics, reported, run, stderr};
use coro_core::prelude::*;
use coro_core::{AnyTask, Awaited, EventLoop, Future, Runner, Step, Yielder, generator, suspend};

/// Starts `main` on the loop and lets it run until it waits.
fn start(event_loop: &EventLoop, main: impl FnOnce() -> Result<()> + 'static) -> Task<()> {
    let task = event_loop.create_task(coroutine(main));
    event_loop.run_until_complete(sleep(secs(0))).unwrap();
    task
}

fn forever() -> Result<()> {
    (&Future::<()>::new()).co_await()
}

/// Writes over the stack below the caller, where frames that are gone have been.
#[inline(never)]
fn overwrite_dead_frames() {
    let mut bytes = [0xAA_u8; 32 * 1024];
    std::hint::black_box(&mut bytes);
}

#[test]
fn a_parked_task_is_unwound_when_its_loop_is_dropped() {
    let log = Log::new();
    let event_loop = event_loop();
    let (outer, inner) = (log.flag("outer"), log.flag("inner"));
    start(&event_loop, move || {
        let _outer = outer;
        let waits = move || {
            let _inner = inner;
            forever()
        };
        let result = waits();
        unreachable!("nothing is returned: {result:?}");
    });
    assert!(log.take().is_empty());
    overwrite_dead_frames(); // the loop's own frames, which the task's chain still points to
    let ((), reports) = reported(|| drop(event_loop));
    assert_eq!(log.take(), ["inner", "outer"]);
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert!(reports[0].starts_with("Task was destroyed but it is pending!\ntask: <Task pending name='Task-"));
}

#[test]
fn nested_stacks_are_unwound_from_the_top() {
    let log = Log::new();
    let event_loop = event_loop();
    let flags = log.clone();
    start(&event_loop, move || {
        let _task = flags.flag("task");
        let suspended = flags.flag("suspended generator");
        let mut other = generator(move |y: &Yielder<u32>| {
            let _flag = suspended;
            y.yield_(1)
        });
        other.start()?;
        let flag = flags.flag("running generator");
        let mut numbers = generator(move |_: &Yielder<u32>| {
            let _flag = flag;
            forever()
        });
        numbers.start()?;
        drop(other);
        Ok(())
    });
    overwrite_dead_frames();
    drop(event_loop);
    assert_eq!(log.take(), ["running generator", "suspended generator", "task"]);
}

#[test]
fn children_of_a_scope_are_unwound_before_their_parent() {
    let log = Log::new();
    let event_loop = event_loop();
    let flags = log.clone();
    let in_body = Rc::new(Cell::new(false));
    let (first, second) = (in_body.clone(), flags.clone());
    start(&event_loop, move || {
        let _parent = flags.flag("parent");
        let text = String::from("borrowed");
        let (text, flags) = (&text, &flags);
        TaskGroup::scope(|group| {
            for name in ["child 1", "child 2"] {
                group.create_task(coroutine(move || {
                    let _flag = flags.flag(name);
                    let result = forever();
                    assert_eq!(text, "borrowed");
                    result
                }));
            }
            sleep(secs(0)).co_await()?;
            first.set(true);
            Ok(()) // the parent waits at the exit of the scope
        })
    });
    start(&event_loop, move || {
        let _parent = second.flag("other parent");
        TaskGroup::scope(|group| {
            group.create_task(coroutine(|| {
                let _flag = second.flag("other child");
                forever()
            }));
            forever() // the parent waits inside
        })
    });
    event_loop.run_until_complete(sleep(secs(0))).unwrap();
    assert!(in_body.get());
    overwrite_dead_frames();
    drop(event_loop);
    assert_eq!(log.take(), ["other child", "other parent", "child 2", "child 1", "parent"]);
}

#[test]
fn a_task_that_never_started_is_dropped_with_its_loop() {
    let log = Log::new();
    let event_loop = event_loop();
    let flag = log.flag("captured");
    let task = event_loop.create_task(coroutine(move || {
        let _flag = flag;
        Ok(())
    }));
    drop(event_loop);
    assert_eq!(log.take(), ["captured"]);
    assert!(!task.done());
}

#[test]
fn a_std_future_that_was_polled_is_dropped_with_its_loop() {
    let log = Log::new();
    let event_loop = event_loop();
    let flag = log.flag("captured");
    event_loop.create_task(async move {
        let _flag = flag;
        std::future::pending::<()>().await;
    });
    event_loop.run_until_complete(sleep(secs(0))).unwrap();
    assert!(log.take().is_empty());
    drop(event_loop);
    assert_eq!(log.take(), ["captured"]);
}

#[test]
fn a_std_mutex_held_by_a_parked_task_is_poisoned_by_force_alone() {
    let mutex = Rc::new(std::sync::Mutex::new(()));
    let hold = |mutex: &Rc<std::sync::Mutex<()>>| {
        let mutex = mutex.clone();
        move || {
            let _guard = mutex.lock().unwrap();
            forever()
        }
    };
    let graceful = event_loop();
    let task = start(&graceful, hold(&mutex));
    task.cancel();
    assert!(graceful.run_until_complete(task).unwrap_err().is_cancelled());
    assert!(!mutex.is_poisoned(), "a cancellation is a value and unwinds nothing");
    let forced = event_loop();
    start(&forced, hold(&mutex));
    drop(forced);
    assert!(mutex.is_poisoned());
}

#[test]
fn a_task_that_catches_every_unwind_is_leaked_with_a_report() {
    let log = Log::new();
    let event_loop = event_loop();
    let (flag, before) = (log.flag("leaked"), coro_core::stack::stats().in_use);
    let asked = Rc::new(Cell::new(0));
    let counter = asked.clone();
    start(&event_loop, move || {
        let _flag = flag;
        loop {
            counter.set(counter.get() + 1);
            let _ = catch_unwind(AssertUnwindSafe(forever));
        }
    });
    let other = log.flag("other");
    start(&event_loop, move || {
        let _flag = other;
        forever()
    });
    let ((), reports) = reported(|| drop(event_loop));
    assert!((2..100).contains(&asked.get()), "asked {} times", asked.get());
    assert_eq!(log.take(), ["other"]);
    assert!(
        reports.iter().any(|r| r.contains("was leaked: it catches every attempt to unwind it")),
        "{reports:?}"
    );
    assert_eq!(
        coro_core::stack::stats().in_use,
        before + 1,
        "the memory of a leaked stack is never used again"
    );
}

#[test]
fn a_task_that_catches_one_unwind_and_ends_is_not_leaked() {
    let log = Log::new();
    let event_loop = event_loop();
    let inner = log.clone();
    let before = coro_core::stack::stats().in_use;
    start(&event_loop, move || {
        let _flag = inner.flag("local");
        let caught = catch_unwind(AssertUnwindSafe(forever));
        inner.push(format!("caught: {}", caught.is_err()));
        Ok(())
    });
    let ((), reports) = reported(|| drop(event_loop));
    assert_eq!(log.take(), ["caught: true", "local"]);
    assert!(reports.iter().all(|report| !report.contains("leaked")), "{reports:?}");
    assert_eq!(coro_core::stack::stats().in_use, before);
}

#[test]
fn code_that_caught_a_forced_unwind_cannot_open_a_scope() {
    let log = Log::new();
    let event_loop = event_loop();
    let inner = log.clone();
    start(&event_loop, move || {
        let _ = catch_unwind(AssertUnwindSafe(forever));
        let error = TaskGroup::scope(|group| {
            group.create_task(coroutine(|| Ok(())));
            Ok(())
        });
        inner.push(error.unwrap_err().to_string());
        Ok(())
    });
    drop(event_loop);
    assert_eq!(log.take(), ["cannot open a scope on a stack that is being unwound"]);
}

#[test]
fn the_parent_of_a_leaked_child_is_leaked_too() {
    let log = Log::new();
    let event_loop = event_loop();
    let flags = log.clone();
    start(&event_loop, move || {
        let lent = flags.flag("lent by the parent");
        let lent = &lent;
        TaskGroup::scope(|group| {
            group.create_task(coroutine(move || -> Result<()> {
                let _borrowed = lent;
                loop {
                    let _ = catch_unwind(AssertUnwindSafe(forever));
                }
            }));
            Ok(())
        })
    });
    event_loop.run_until_complete(sleep(secs(0))).unwrap();
    let ((), reports) = reported(|| drop(event_loop));
    assert!(log.take().is_empty(), "what a leaked task borrows must live for ever");
    let leaks = reports.iter().filter(|report| report.contains("was leaked")).count();
    assert_eq!(leaks, 2, "{reports:?}");
    assert!(reports.iter().any(|report| report.contains("other tasks borrow from its stack")), "{reports:?}");
}

#[test]
fn a_panic_in_a_destructor_of_one_task_leaves_the_others_to_be_ended() {
    quiet_panics();
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("meant: in a destructor");
        }
    }
    let log = Log::new();
    let event_loop = event_loop();
    let flag = log.flag("older task");
    start(&event_loop, move || {
        let _flag = flag;
        forever()
    });
    let bomb = Bomb;
    event_loop.create_task(coroutine(move || {
        let _bomb = bomb;
        Ok(())
    }));
    let closed = catch_unwind(AssertUnwindSafe(|| event_loop.close()));
    assert!(closed.is_err());
    assert_eq!(log.take(), ["older task"]);
    assert!(event_loop.is_closed());
}

#[test]
fn a_runner_that_is_dropped_ends_tasks_that_hold_a_handle_of_its_loop() {
    let log = Log::new();
    let mut runner = Runner::new();
    let flag = log.flag("parked");
    let kept = runner
        .run(coroutine(move || {
            create_task(coroutine(move || {
                let _flag = flag;
                let _own_handle = get_running_loop()?;
                forever()
            }));
            sleep(secs(0)).co_await()?;
            get_running_loop()
        }))
        .unwrap();
    drop(runner);
    assert_eq!(log.take(), ["parked"]);
    assert!(kept.is_closed());
}

#[test]
fn a_runner_is_closed_gracefully() {
    let log = Log::new();
    let mut runner = Runner::new();
    let inner = log.clone();
    runner
        .run(coroutine(move || {
            create_task(coroutine(move || {
                let error = forever().unwrap_err();
                inner.push(format!("cancelled: {}", error.is_cancelled()));
                sleep(millis(1)).co_await()?;
                inner.push("awaited once more");
                Err::<(), _>(error)
            }));
            sleep(secs(0)).co_await()
        }))
        .unwrap();
    runner.close().unwrap();
    assert_eq!(log.take(), ["cancelled: true", "awaited once more"]);
}

#[test]
fn a_runner_cannot_be_closed_inside_a_running_loop() {
    let mut other = Runner::new();
    other.run(coroutine(|| Ok(()))).unwrap();
    run(|| {
        assert!(other.close().unwrap_err().to_string().contains("from a running event loop"));
        Ok(())
    })
    .unwrap();
    assert_eq!(other.run(coroutine(|| Ok(1))).unwrap(), 1, "it is as it was");
}

#[test]
fn what_main_left_behind_is_cancelled_in_order_even_if_main_panics() {
    quiet_panics();
    let log = Log::new();
    let inner = log.clone();
    let caught = catch_unwind(AssertUnwindSafe(|| {
        run(|| -> Result<()> {
            create_task(coroutine(move || {
                let error = forever().unwrap_err();
                sleep(secs(1)).co_await()?;
                inner.push(format!("cancelled: {}", error.is_cancelled()));
                Err::<(), _>(error)
            }));
            sleep(secs(0)).co_await()?;
            panic!("meant: in main");
        })
    }));
    assert_eq!(*caught.unwrap_err().downcast::<&str>().unwrap(), "meant: in main");
    assert_eq!(log.take(), ["cancelled: true"]);
}

#[test]
fn the_loop_is_closed_under_its_tasks() {
    let event_loop = event_loop();
    let future = event_loop.create_future::<u32>();
    let task = {
        let future = future.clone();
        start(&event_loop, move || future.co_await().map(drop))
    };
    let ((), _) = reported(|| event_loop.close().unwrap());
    // Whatever is left of it does nothing, and says nothing.
    future.set_result(1).unwrap();
    assert_eq!(future.result().unwrap(), 1);
    assert!(!task.done());
    assert!(task.cancel());
    event_loop.call_soon(|| unreachable!());
    event_loop.call_later(secs(0), || unreachable!());
    assert_eq!(event_loop.run_forever().unwrap_err().to_string(), "Event loop is closed");
    let late = event_loop.create_task(coroutine(|| Ok(1)));
    assert_eq!(late.result().unwrap_err().to_string(), "Event loop is closed");
    assert!(event_loop.close().is_ok(), "closing twice is fine");
}

#[test]
fn a_runner_whose_loop_was_closed_refuses_to_run() {
    let mut runner = Runner::new();
    let event_loop = runner.get_loop().unwrap();
    let _door = event_loop.handle(); // with a door open there is no deadlock that would end the wait
    event_loop.close().unwrap();
    assert_eq!(runner.run(coroutine(|| Ok(1))).unwrap_err().to_string(), "Event loop is closed");
    runner.close().unwrap();
}

#[test]
fn a_closed_loop_cannot_be_closed_by_its_own_callback() {
    run(|| {
        let own = get_running_loop()?;
        assert_eq!(own.close().unwrap_err().to_string(), "Cannot close a running event loop");
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_loop_can_be_dropped_inside_a_task_of_another_loop() {
    let log = Log::new();
    run(|| {
        let log = log.clone();
        let me = coro_core::current_task().unwrap();
        let other = event_loop();
        let flag = log.flag("started: never");
        other.create_task(coroutine(move || {
            let _flag = flag;
            Ok(())
        }));
        drop(other);
        assert!(coro_core::current_task().unwrap().same(&me));
        sleep(secs(1)).co_await() // this task still parks and wakes
    })
    .unwrap();
    assert_eq!(log.take(), ["started: never"]);
}

#[test]
fn a_parked_task_of_one_loop_can_be_ended_inside_a_task_of_another() {
    let log = Log::new();
    let other = event_loop();
    let flags = log.clone();
    start(&other, move || {
        let _flag = flags.flag("parked");
        let numbers = flags.flag("in its generator");
        let mut numbers = generator(move |_: &Yielder<u32>| {
            let _flag = numbers;
            forever()
        });
        numbers.start().map(drop)
    });
    let mut other = Some(other);
    run(|| {
        let mut numbers = generator(move |y: &Yielder<u32>| {
            drop(other.take());
            y.yield_(1)
        });
        numbers.start()?;
        sleep(secs(1)).co_await()?;
        numbers.send(()).map(drop)
    })
    .unwrap();
    assert_eq!(log.take(), ["in its generator", "parked"]);
}

#[test]
fn ten_thousand_parked_tasks_are_unwound_and_their_stacks_come_back() {
    let count = 10_000;
    let before = coro_core::stack::stats().in_use;
    let dropped = Rc::new(Cell::new(0));
    struct Count(Rc<Cell<u32>>);
    impl Drop for Count {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }
    let event_loop = event_loop();
    for _ in 0..count {
        let counter = Count(dropped.clone());
        event_loop.create_task(coroutine(move || {
            let _counter = counter;
            forever()
        }));
    }
    assert_eq!(coro_core::stack::stats().in_use, before, "no stack is taken before a task first runs");
    event_loop.run_until_complete(sleep(secs(0))).unwrap();
    assert_eq!(coro_core::stack::stats().in_use, before + count);
    let ((), reports) = reported(|| drop(event_loop));
    assert_eq!((dropped.get(), reports.len()), (count as u32, count));
    assert_eq!(coro_core::stack::stats().in_use, before);
}

#[test]
fn forgotten_handles_change_nothing() {
    let log = Log::new();
    run(|| {
        let task = create_task(coroutine({
            let log = log.clone();
            move || {
                sleep(secs(1)).co_await()?;
                log.push("task");
                Ok(())
            }
        }));
        std::mem::forget(task);
        std::mem::forget(wait_for(create_task(sleep(secs(1))), secs(2)));
        std::mem::forget(gather([sleep(secs(1))]));
        std::mem::forget(shield(sleep(secs(1))));
        std::mem::forget(get_running_loop()?);
        TaskGroup::scope(|group| {
            let flag = log.flag("forgotten result is leaked, not dropped");
            std::mem::forget(group.create_task(coroutine(move || Ok(flag))));
            let log = &log;
            std::mem::forget(group.create_task(coroutine(move || {
                sleep(secs(2)).co_await()?;
                log.push("scoped");
                Ok(())
            })));
            Ok(())
        })?;
        assert_eq!(log.take(), ["task", "scoped"], "a scope waits for forgotten children");
        Ok(())
    })
    .unwrap();
    let mut runner = Runner::new();
    runner.run(coroutine(|| Ok(()))).unwrap();
    std::mem::forget(runner);
    std::mem::forget(EventLoop::new().unwrap());
}

#[test]
fn a_suspended_generator_or_coroutine_that_is_forgotten_leaks_its_stack() {
    let log = Log::new();
    let before = coro_core::stack::stats().in_use;
    let flag = log.flag("generator");
    let mut numbers = generator(move |y: &Yielder<u32>| {
        let _flag = flag;
        y.yield_(1)
    });
    numbers.start().unwrap();
    std::mem::forget(numbers);
    let flag = log.flag("coroutine");
    let mut waiting = coroutine(move || {
        let _flag = flag;
        suspend(Awaited::Yield).map(drop)
    });
    assert!(matches!(waiting.send(None), Ok(Step::Suspended(Awaited::Yield))));
    std::mem::forget(waiting);
    assert!(log.take().is_empty());
    assert_eq!(coro_core::stack::stats().in_use, before + 2);
}

thread_local! {
    static LAST: RefCell<Vec<Box<dyn std::any::Any>>> = const { RefCell::new(Vec::new()) };
}

/// Runs `f` in a thread, where what it gives is dropped by the destructor of a thread-local; `early` makes that
/// destructor run after those of the library.
fn at_thread_exit<T: 'static>(early: bool, f: impl FnOnce() -> T + Send + 'static) {
    std::thread::spawn(move || {
        if early {
            LAST.with_borrow_mut(Vec::clear);
        }
        let value = f();
        LAST.with_borrow_mut(|last| last.push(Box::new(value)));
    })
    .join()
    .unwrap();
}

#[test]
fn a_thread_may_end_with_a_loop_that_holds_parked_tasks() {
    let name = "a_thread_may_end_with_a_loop_that_holds_parked_tasks";
    let child = in_child(name, || {
        for early in [true, false] {
            at_thread_exit(early, || {
                let event_loop = event_loop();
                start(&event_loop, forever);
                event_loop.create_task(coroutine(|| Ok(())));
                event_loop
            });
            at_thread_exit(early, || {
                let mut runner = Runner::new();
                runner
                    .run(coroutine(|| {
                        create_task(coroutine(forever));
                        create_task(async { std::future::pending::<()>().await });
                        sleep(secs(0)).co_await()
                    }))
                    .unwrap();
                runner
            });
        }
        std::thread::spawn(|| {
            let event_loop = event_loop();
            start(&event_loop, forever);
            std::mem::forget(event_loop);
        })
        .join()
        .unwrap();
    });
    let Some(child) = child else { return };
    assert_well(&child);
    assert!(stderr(&child).contains("a task was leaked: its thread ended"), "{}", stderr(&child));
}

#[test]
fn thread_local_destructors_may_touch_tasks_and_loops() {
    struct Touch {
        task: AnyTask,
        event_loop: EventLoop,
    }
    impl Drop for Touch {
        fn drop(&mut self) {
            self.task.cancel();
            let _ = format!("{:?} {:?}", self.task, self.event_loop);
            assert!(coro_core::current_task().is_none());
            assert!(get_running_loop().is_err());
            assert!(create_task(coroutine(|| Ok(()))).done());
            let late = self.event_loop.create_task(coroutine(|| Ok(())));
            let _ = late.done();
            let _ = self.event_loop.run_in_executor(|| 1);
            let _ = self.event_loop.run_until_complete(sleep(secs(0)));
            let _ = coro_core::run(coroutine(|| Ok(())));
            assert!(sleep(secs(1)).co_await().is_err());
            let numbers = generator(|y: &Yielder<u32>| y.yield_(1));
            assert_eq!(numbers.collect::<Result<Vec<_>>>().unwrap(), [1]);
        }
    }
    let child = in_child("thread_local_destructors_may_touch_tasks_and_loops", || {
        for early in [true, false] {
            at_thread_exit(early, || {
                let event_loop = event_loop();
                let task = start(&event_loop, forever).any_task();
                Touch { task, event_loop }
            });
        }
    });
    if let Some(child) = child {
        assert_well(&child);
    }
}

#[test]
fn a_suspended_generator_is_closed_by_the_destructor_of_a_thread_local() {
    let child = in_child("a_suspended_generator_is_closed_by_the_destructor_of_a_thread_local", || {
        for early in [true, false] {
            at_thread_exit(early, || {
                let mut numbers = generator(|y: &Yielder<u32>| {
                    let result = y.yield_(1);
                    assert!(result.as_ref().unwrap_err().is::<GeneratorExit>());
                    eprintln!("closed");
                    result
                });
                numbers.start().unwrap();
                numbers
            });
        }
    });
    let Some(child) = child else { return };
    assert_well(&child);
    assert_eq!(stderr(&child).matches("closed").count(), 2);
}

#[test]
fn tasks_that_an_exit_of_the_process_leaks_are_reported_as_one() {
    let child = in_child("tasks_that_an_exit_of_the_process_leaks_are_reported_as_one", || {
        run(|| -> Result<()> {
            let tasks: Vec<_> = (0..1000).map(|_| create_task(coroutine(forever))).collect();
            sleep(secs(1)).co_await()?;
            std::process::exit(i32::from(tasks.iter().any(|task| task.done())))
        })
        .unwrap();
    });
    let Some(child) = child else { return };
    assert_well(&child);
    let told = stderr(&child);
    assert_eq!(told.matches("a task was leaked").count(), 1, "{told}");
    assert!(told.ends_with("\nand 1000 more\n") && told.contains("name='Task-1'"), "{told}");
}
