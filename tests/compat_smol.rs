//! `compat::smol` on the real clock: limits of some milliseconds.

use std::time::Instant;

use coro_core::compat::smol::TimeoutExt;
use coro_core::prelude::*;

#[test]
fn a_limit_that_is_reached_is_none() {
    let begun = Instant::now();
    let outcome = coro_core::run(coroutine(|| {
        let task = create_task(coroutine(|| std::future::pending::<()>().timeout(millis(10)).co_await()));
        task.co_await()
    }));
    assert_eq!(outcome.unwrap(), None);
    assert!(begun.elapsed() >= millis(10));
}

#[test]
fn a_future_within_its_limit_gives_its_value() {
    let outcome = coro_core::run(coroutine(|| {
        let nap = async {
            create_task(sleep(millis(2))).await?;
            Ok::<_, Error>(6)
        };
        nap.timeout(secs(60)).co_await()
    }));
    assert_eq!(outcome.unwrap().unwrap().unwrap(), 6);
}

#[test]
fn the_others_go_on_meanwhile() {
    coro_core::run(coroutine(|| {
        let other = create_task(coroutine(|| {
            sleep(millis(1)).co_await()?;
            Ok("went on")
        }));
        assert_eq!(std::future::pending::<()>().timeout(millis(20)).co_await()?, None);
        assert_eq!(other.result()?, "went on");
        Ok(())
    }))
    .unwrap();
}

#[test]
fn a_cancellation_does_not_wait_for_the_limit() {
    let begun = Instant::now();
    coro_core::run(coroutine(|| {
        let task = create_task(coroutine(|| std::future::pending::<()>().timeout(secs(60)).co_await()));
        sleep(millis(2)).co_await()?;
        task.cancel();
        assert!(task.co_await().unwrap_err().is_cancelled());
        Ok(())
    }))
    .unwrap();
    assert!(begun.elapsed() < secs(30));
}
