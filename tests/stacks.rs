//! Stacks: taken when a task first runs, given back the moment it ends, and what is said when one overflows.

mod common;

use common::{in_child, run, stderr};
use coro_core::prelude::*;
use coro_core::stack::stats;
use coro_core::{Awaited, TaskBuilder, Yielder, generator, suspend};

#[test]
fn a_stack_is_taken_when_a_task_first_runs_and_given_back_when_it_ends() {
    run(|| {
        let before = stats().in_use;
        let task = create_task(sleep(secs(1)));
        let cancelled = create_task(sleep(secs(1)));
        cancelled.cancel();
        assert_eq!(stats().in_use, before, "nothing is taken before the first step");
        sleep(millis(1)).co_await()?;
        assert_eq!(stats().in_use, before + 1, "what was cancelled before its start never takes one");
        let in_callback = std::rc::Rc::new(std::cell::Cell::new(None));
        let inner = in_callback.clone();
        task.add_done_callback(move |_| inner.set(Some(stats().in_use)));
        task.co_await()?;
        sleep(millis(1)).co_await()?;
        assert_eq!(in_callback.get(), Some(before), "it is back before anybody hears of the end");
        Ok(())
    })
    .unwrap();
}

#[test]
fn what_a_coroutine_or_generator_holds_may_be_large() {
    run(|| {
        let (small, large) = ([1_u8; 600], [2_u8; 2_000]);
        assert_eq!(create_task(coroutine(move || Ok(small))).co_await()?, [1; 600]);
        assert_eq!(create_task(coroutine(move || Ok(large))).co_await()?, [2; 2_000]);
        let numbers = generator(move |y: &Yielder<u8>| y.yield_(large[7]));
        assert_eq!(numbers.collect::<Result<Vec<u8>>>()?, [2]);
        let mut by_hand = coroutine(move || suspend(Awaited::Yield).map(|_| large[7]));
        by_hand.send(None)?;
        drop(by_hand);
        Ok(())
    })
    .unwrap();
}

#[test]
fn every_way_to_end_gives_the_stack_back() {
    common::quiet_panics();
    let before = stats().in_use;
    run(|| {
        let own = stats().in_use;
        let _ = create_task(coroutine(|| Err::<(), _>(Error::msg("fails")))).co_await();
        let _ = create_task(coroutine(|| -> Result<()> { panic!("meant: panics") })).co_await();
        let cancelled = create_task(sleep(secs(60)));
        sleep(secs(0)).co_await()?;
        cancelled.cancel();
        let _ = cancelled.co_await();
        let numbers = generator(|y: &Yielder<u32>| y.yield_(1));
        assert_eq!(numbers.count(), 1);
        let mut closed = generator(|y: &Yielder<u32>| y.yield_(1));
        closed.start()?;
        closed.close()?;
        let mut dropped = generator(|y: &Yielder<u32>| y.yield_(1));
        dropped.start()?;
        drop(dropped);
        let mut by_hand = coroutine(|| suspend(Awaited::Yield).map(drop));
        by_hand.send(None)?;
        drop(by_hand);
        assert_eq!(stats().in_use, own);
        Ok(())
    })
    .unwrap();
    assert_eq!(stats().in_use, before);
}

#[test]
fn one_task_after_the_other_runs_on_the_same_stack() {
    run(|| {
        let slabs = || (stats().slabs, stats().in_use + stats().pooled);
        create_task(sleep(secs(0))).co_await()?;
        let before = slabs();
        for _ in 0..1_000 {
            create_task(sleep(secs(0))).co_await()?;
        }
        assert_eq!(slabs(), before);
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_task_made_from_a_std_future_has_no_stack() {
    run(|| {
        let before = stats().in_use;
        let tasks: Vec<_> = (0..100).map(|_| create_task(async { sleep(secs(0)).await })).collect();
        let ready = create_task(async { stats().in_use });
        assert_eq!(ready.co_await()?, before);
        gather(tasks).co_await()?;
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_coroutine_that_has_not_started_is_awaited_on_the_stack_of_the_caller() {
    fn deep(depth: u32) -> Result<usize> {
        match depth {
            0 => Ok(stats().in_use),
            _ => coroutine(move || deep(depth - 1)).co_await(),
        }
    }
    run(|| {
        assert_eq!(deep(100)?, stats().in_use);
        Ok(())
    })
    .unwrap();
}

/// Uses a frame of more than a kilobyte for each level.
#[inline(never)]
fn devour(levels: u64) -> u64 {
    let plate = std::hint::black_box([levels; 128]);
    if levels == 0 { plate[0] } else { devour(std::hint::black_box(levels - 1)) + plate[127] }
}

#[test]
fn a_larger_stack_holds_a_deeper_recursion() {
    run(|| {
        let deep = TaskBuilder::new().stack_size(8 << 20).create(coroutine(|| Ok(devour(2_000))));
        assert_eq!(deep.co_await()?, (1..=2_000).sum::<u64>());
        let mut numbers = generator(|y: &Yielder<u64>| y.yield_(devour(2_000))).stack_size(8 << 20);
        assert_eq!(numbers.next().unwrap()?, (1..=2_000).sum::<u64>());
        Ok(())
    })
    .unwrap();
}

/// A stack overflow is told by the sanitizer, if there is one, in its own words.
#[cfg(all(unix, not(feature = "sanitizer")))]
mod overflow {
    use super::*;
    use common::assert_aborted;

    /// What a child process says that runs `f`, and how it ends.
    fn overflows(test: &str, text: &str, f: impl FnOnce()) {
        let child = in_child(&format!("overflow::{test}"), || {
            f();
            unreachable!("the stack should have overflowed");
        });
        if let Some(child) = child {
            assert_aborted(&child, text);
            assert!(stderr(&child).contains("(its guard was touched at 0x"), "{}", stderr(&child));
        }
    }

    #[test]
    fn names_the_task() {
        overflows("names_the_task", "coro: task 'glutton'", || {
            let glutton = || coroutine(|| Ok(devour(u64::MAX)));
            run(|| TaskBuilder::new().name("glutton").create(glutton()).co_await()).unwrap();
        });
    }

    #[test]
    fn says_how_large_the_stack_was() {
        overflows("says_how_large_the_stack_was", "overflowed its stack of 256 KiB", || {
            run(|| Ok(devour(u64::MAX))).unwrap();
        });
    }

    #[test]
    fn names_a_task_without_a_name() {
        overflows(
            "names_a_task_without_a_name",
            "coro: task 'Task-2' (coroutine 'coroutine' defined at tests/stacks.rs:",
            || {
                run(|| create_task(coroutine(|| Ok(devour(u64::MAX)))).co_await()).unwrap();
            },
        );
    }

    #[test]
    fn names_the_task_that_a_generator_runs_in() {
        overflows("names_the_task_that_a_generator_runs_in", "coro: task 'reader'", || {
            run(|| {
                coro_core::current_task().unwrap().set_name("reader");
                let mut numbers = generator(|y: &Yielder<u64>| y.yield_(devour(u64::MAX)));
                numbers.start()
            })
            .unwrap();
        });
    }

    #[test]
    fn names_a_coroutine_driven_by_hand() {
        overflows("names_a_coroutine_driven_by_hand", "coro: coroutine 'coroutine', driven by hand", || {
            coroutine(|| Ok(devour(u64::MAX))).send(None).unwrap();
        });
    }

    #[test]
    fn without_a_task_is_one_of_a_generator() {
        overflows(
            "without_a_task_is_one_of_a_generator",
            "coro: a generator overflowed its stack of 64 KiB",
            || {
                let numbers = generator(|y: &Yielder<u64>| y.yield_(devour(u64::MAX)));
                numbers.stack_size(64 * 1024).start().unwrap();
            },
        );
    }

    #[test]
    fn in_a_child_of_a_scope_ends_the_process_too() {
        overflows("in_a_child_of_a_scope_ends_the_process_too", "coro: task 'child'", || {
            run(|| {
                let lent = String::from("lent");
                TaskGroup::scope(|group| {
                    let builder = TaskBuilder::new().name("child");
                    group.create_task_with(builder, coroutine(|| Ok(devour(u64::MAX) + lent.len() as u64)));
                    Ok(())
                })
            })
            .unwrap();
        });
    }

    #[test]
    fn in_a_thread_is_told_as_well() {
        overflows("in_a_thread_is_told_as_well", "coro: task 'elsewhere'", || {
            std::thread::spawn(|| {
                let glutton = coroutine(|| Ok(devour(u64::MAX)));
                run(|| TaskBuilder::new().name("elsewhere").create(glutton).co_await()).unwrap();
            })
            .join()
            .unwrap();
        });
    }
}
