//! What belongs to one task while many interleave: the current task, the context, the result that it waits for.

mod common;

use std::cell::RefCell;
use std::rc::Rc;
use std::task::Poll;

use common::{Log, event_loop, reported, run, run_ordered};
use coro_core::prelude::*;
use coro_core::{Awaited, Context, ContextVar, Yielder, current_task, generator, suspend};

static USER: ContextVar<&str> = ContextVar::with_default("user", || "nobody");

fn is_user(expected: &str) {
    assert_eq!(USER.get().unwrap(), expected);
}

#[test]
fn a_context_entered_around_an_await_is_in_force_after_it_and_nowhere_else() {
    run(|| {
        let task = |name: &'static str, steps: u64| {
            coroutine(move || {
                is_user("main");
                let inner = Context::current().copy();
                inner.run(|| -> Result<()> {
                    USER.set(name);
                    for _ in 0..steps {
                        sleep(millis(steps)).co_await()?;
                        is_user(name);
                    }
                    Ok(())
                })?;
                is_user("main");
                sleep(millis(1)).co_await()?;
                is_user("main");
                Ok(())
            })
        };
        USER.set("main");
        gather([task("a", 2), task("b", 3), task("c", 5)]).co_await()?;
        is_user("main");
        Ok(())
    })
    .unwrap();
    is_user("nobody");
}

#[test]
fn a_parked_task_is_unwound_in_its_own_context() {
    struct Leaves(Log);
    impl Drop for Leaves {
        fn drop(&mut self) {
            self.0.push(USER.get().unwrap());
            self.0.push(current_task().unwrap().get_name());
            self.0.push(format!("{}", get_running_loop().unwrap().is_closed()));
        }
    }
    let log = Log::new();
    let event_loop = event_loop();
    let inner = log.clone();
    let task = event_loop.create_task(coroutine(move || {
        USER.set("parked");
        let _leaves = Leaves(inner);
        sleep(secs(60)).co_await()
    }));
    task.set_name("mine");
    event_loop.run_until_complete(sleep(secs(1))).unwrap();
    reported(|| drop(event_loop));
    assert_eq!(log.take(), ["parked", "mine", "true"]);
    assert!(current_task().is_none() && get_running_loop().is_err());
    is_user("nobody");
}

#[test]
fn the_current_task_is_the_one_that_runs_on_whatever_stack() {
    run(|| {
        let me = || current_task().unwrap().get_name();
        let main = me();
        let mut numbers = generator(move |y: &Yielder<String>| {
            loop {
                y.yield_(me())?;
            }
            #[expect(unreachable_code)]
            Ok(())
        });
        assert_eq!(numbers.next().unwrap()?, main);
        let child = coro_core::TaskBuilder::new().name("child").create(coroutine(move || {
            sleep(secs(1)).co_await()?;
            numbers.next().unwrap()
        }));
        assert_eq!(child.co_await()?, "child");
        let mut by_hand = coroutine(move || {
            suspend(Awaited::Yield)?;
            Ok(me())
        });
        by_hand.send(None)?;
        sleep(secs(1)).co_await()?;
        assert!(matches!(by_hand.send(None)?, coro_core::Step::Returned(name) if name == main));
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_seeded_order_of_tasks_gives_the_same_results_as_any_other() {
    for seed in 0..50 {
        let builder = coro_core::RunBuilder::new().virtual_clock().seed(seed).handle_interrupts(false);
        let sum = builder.run(coroutine(|| {
            let mut counts = [0_u64; 8];
            TaskGroup::scope(|group| {
                for (n, count) in counts.iter_mut().enumerate() {
                    group.create_task(coroutine(move || {
                        let steps = generator(move |y: &Yielder<u64>| {
                            for step in 0..4 {
                                sleep(millis(n as u64 % 3)).co_await()?;
                                y.yield_(step)?;
                            }
                            Ok(())
                        });
                        for step in steps {
                            *count += step?;
                            sleep(secs(0)).co_await()?;
                        }
                        Ok(())
                    }));
                }
                Ok(())
            })?;
            Ok(counts.iter().sum::<u64>())
        }));
        assert_eq!(sum.unwrap(), 8 * 6, "seed {seed}");
    }
}

/// A std future that is pending so many times.
async fn yields(mut times: usize) {
    std::future::poll_fn(|context| {
        if times == 0 {
            return Poll::Ready(());
        }
        times -= 1;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[test]
fn thousands_of_tasks_of_all_kinds_take_their_steps_in_turn() {
    const TASKS: usize = 3000; // with so many, memory is asked for ahead
    const STEPS: usize = 3;
    run_ordered(|| {
        let steps: Rc<RefCell<Vec<(usize, usize)>>> = Rc::default();
        let tasks: Vec<Task<()>> = (0..TASKS)
            .map(|number| {
                let steps = Rc::clone(&steps);
                let note = move |step| steps.borrow_mut().push((step, number));
                match number % 4 {
                    0 => create_task(async move {
                        for step in 0..STEPS {
                            note(step);
                            yields(1).await;
                        }
                    }),
                    1 => create_task(coroutine(move || {
                        for step in 0..STEPS {
                            note(step);
                            // A task whose handle is dropped, of those that come and go meanwhile.
                            create_task(coroutine(|| Ok(())));
                            suspend(Awaited::Yield)?;
                        }
                        Ok(())
                    })),
                    2 => create_task(coroutine(move || {
                        let numbers = generator(move |y: &Yielder<usize>| {
                            for step in 0..STEPS {
                                y.yield_(step)?;
                                sleep(secs(0)).co_await()?;
                            }
                            Ok(())
                        });
                        for step in numbers {
                            note(step?);
                        }
                        Ok(())
                    })),
                    _ => create_task(coroutine(move || {
                        for step in 0..STEPS {
                            note(step);
                            get_running_loop()?.call_soon(|| assert!(current_task().is_none()));
                            sleep(secs(0)).co_await()?;
                        }
                        Ok(())
                    })),
                }
            })
            .collect();
        for task in &tasks {
            task.co_await()?;
        }
        let expected: Vec<_> =
            (0..STEPS).flat_map(|step| (0..TASKS).map(move |number| (step, number))).collect();
        assert!(*steps.borrow() == expected);
        Ok(())
    })
    .unwrap();
}
