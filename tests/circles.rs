//! Tasks that wait for each other: in chains of any length, and in circles, where nobody could ever end. Neither a
//! cancellation nor a description overflows a stack, and a cancellation ends them all.

mod common;

use common::run;
use coro_core::prelude::*;
use coro_core::{Deadlock, Elapsed, Future};

/// Two tasks of which each waits for the other; `through` is how the first one waits.
fn circle(through: impl FnOnce(Future<()>) -> Result<()> + 'static) -> Result<(Task<()>, Task<()>)> {
    let given = Future::<Future<()>>::new();
    let ada = create_task(coroutine({
        let given = given.clone();
        move || through(given.co_await()?)
    }));
    let bob = create_task(ada.future());
    given.set_result(bob.future())?;
    sleep(millis(1)).co_await()?;
    assert!(!ada.done() && !bob.done());
    Ok((ada, bob))
}

fn directly(other: Future<()>) -> Result<()> {
    other.co_await()
}

fn by_gather(other: Future<()>) -> Result<()> {
    gather([other, create_task(sleep(secs(60))).future()]).co_await().map(drop)
}

#[test]
fn a_circle_is_described_once_around() {
    run(|| {
        let (ada, bob) = circle(directly)?;
        ada.set_name("ada");
        bob.set_name("bob");
        for (task, first, second) in [(&ada, "ada", "bob"), (&bob, "bob", "ada")] {
            let text = format!("{task:?}");
            assert!(text.starts_with(&format!("<Task pending name='{first}'")), "{text}");
            assert!(text.contains(&format!("wait_for=<Task pending name='{second}'")), "{text}");
            assert_eq!(text.matches("wait_for=").count(), 2, "{text}");
            assert_eq!(text.matches("wait_for=... cb=").count(), 1, "{text}");
        }
        ada.cancel();
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_cancellation_of_a_circle_ends_all_who_are_in_it() {
    for through in [directly, by_gather] {
        for first in [true, false] {
            run(|| {
                let (ada, bob) = circle(through)?;
                assert!(if first { ada.cancel_with("enough") } else { bob.cancel_with("enough") });
                for task in [&ada, &bob] {
                    let error = task.co_await().unwrap_err();
                    assert!(error.is_cancelled(), "{error}");
                    assert_eq!(task.cancelling(), 1);
                }
                assert_eq!(get_running_loop()?.time(), millis(1));
                Ok(())
            })
            .unwrap();
        }
    }
}

#[test]
fn who_waits_for_a_circle_is_cancelled_with_it_and_without_it() {
    for shielded in [false, true] {
        run(|| {
            let (ada, bob) = circle(directly)?;
            let waits = ada.future();
            let main = create_task(coroutine(move || match shielded {
                true => shield(waits).co_await(),
                false => waits.co_await(),
            }));
            sleep(millis(1)).co_await()?;
            main.cancel();
            assert!(main.co_await().unwrap_err().is_cancelled());
            assert_eq!((ada.cancelled(), bob.cancelled()), (!shielded, !shielded));
            bob.cancel();
            Ok(())
        })
        .unwrap();
    }
}

#[test]
fn a_time_limit_frees_a_circle() {
    run(|| {
        let (ada, bob) = circle(directly)?;
        assert!(wait_for(ada, secs(1)).co_await().unwrap_err().is::<Elapsed>());
        assert!(bob.cancelled());
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_circle_that_is_waited_for_is_a_deadlock() {
    let error = run(|| circle(directly)?.0.co_await()).unwrap_err();
    assert!(error.is::<Deadlock>(), "{error}");
    assert!(error.to_string().contains("wait_for=..."), "{error}");
}

#[test]
fn a_circle_that_is_left_behind_ends_with_the_loop() {
    let (ada, bob) = run(|| circle(directly)).unwrap();
    assert!(ada.cancelled() && bob.cancelled());
}

/// Tasks of which each waits for the one before it, the first for a minute.
fn chain(length: usize) -> Result<Vec<Task<()>>> {
    let mut tasks = vec![create_task(sleep(secs(60)))];
    for _ in 1..length {
        let before = tasks[tasks.len() - 1].future();
        tasks.push(create_task(before));
    }
    sleep(millis(1)).co_await()?;
    Ok(tasks)
}

#[test]
fn a_chain_of_thousands_is_cancelled_from_its_end() {
    run(|| {
        let tasks = chain(3000)?;
        assert!(tasks[tasks.len() - 1].cancel());
        for task in &tasks {
            assert!(task.co_await().unwrap_err().is_cancelled() && task.cancelling() == 1);
        }
        assert_eq!(get_running_loop()?.time(), millis(1));
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_long_chain_is_described_as_far_as_it_can_be_read() {
    run(|| {
        let tasks = chain(1000)?;
        let text = format!("{:?}", tasks[tasks.len() - 1]);
        assert_eq!(text.matches("wait_for=<Task").count(), 16, "{text}");
        assert_eq!(text.matches("wait_for=... ").count(), 1, "{text}");
        let short = format!("{:?}", tasks[3]);
        assert_eq!(short.matches("wait_for=").count(), 4, "{short}");
        Ok(())
    })
    .unwrap();
}
