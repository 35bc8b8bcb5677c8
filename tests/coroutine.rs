//! Coroutines that several hold: what the handles see, who may step them, how they are awaited and how they end.

mod common;

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use common::{Log, quiet_panics, reported, run};
use coro_core::prelude::*;
use coro_core::{
    Awaited, FrameState, Future, RuntimeError, SharedCoroutine, Step, ValueError, iscoroutine, suspend,
};

/// A coroutine that is given a handle on itself.
fn knowing_itself<T: 'static>(
    body: impl FnOnce(SharedCoroutine<T>) -> Result<T> + 'static,
) -> SharedCoroutine<T> {
    let me: Rc<RefCell<Option<SharedCoroutine<T>>>> = Rc::default();
    let inside = Rc::clone(&me);
    let shared = coroutine(move || body(inside.take().expect("was put there"))).shared();
    me.replace(Some(shared.clone()));
    shared
}

fn pause() -> Result<()> {
    suspend(Awaited::Yield).map(drop)
}

#[test]
fn it_is_seen_to_run_from_inside_and_from_what_it_calls() {
    let shared = knowing_itself(|me| {
        assert!(me.cr_running());
        assert_eq!((me.state(), me.cr_await().is_some()), (FrameState::Running, false));
        pause()?;
        assert!(me.cr_running());
        Ok(me.name())
    });
    assert_eq!((shared.state(), shared.cr_running()), (FrameState::Created, false));
    assert!(iscoroutine!(shared));
    assert!(matches!(shared.send(None).unwrap(), Step::Suspended(Awaited::Yield)));
    assert_eq!((shared.state(), shared.cr_running()), (FrameState::Suspended, false));
    assert!(matches!(shared.send(None).unwrap(), Step::Returned("coroutine")));
    assert_eq!((shared.state(), shared.cr_running()), (FrameState::Closed, false));
    let error = shared.send(None).unwrap_err();
    assert_eq!(error.to_string(), "cannot reuse already awaited coroutine");
}

#[test]
fn stepping_one_that_runs_is_an_error() {
    let shared = knowing_itself(|me| {
        let steps = [
            me.send(None).map(drop),
            me.throw(Error::msg("burnt")).map(drop),
            me.close(),
            me.clone().co_await(),
        ];
        for error in steps.map(Result::unwrap_err) {
            assert!(error.is::<ValueError>());
            assert_eq!(error.to_string(), "coroutine already executing");
        }
        Ok(())
    });
    assert!(matches!(shared.send(None).unwrap(), Step::Returned(())));
}

#[test]
fn what_it_waits_for_is_seen_while_a_task_awaits_it() {
    run(|| {
        let future = Future::<u32>::new();
        let waiting = coroutine({
            let future = future.clone();
            move || future.co_await()
        })
        .shared();
        let task = create_task(waiting.clone());
        sleep(millis(1)).co_await()?;
        assert!(waiting.cr_await().unwrap().same(&future.any()));
        assert_eq!((waiting.state(), waiting.cr_running()), (FrameState::Suspended, false));
        let error = waiting.clone().co_await().unwrap_err();
        assert!(error.is::<RuntimeError>());
        assert_eq!(error.to_string(), "coroutine is being awaited already");
        future.set_result(6)?;
        assert_eq!(task.co_await()?, 6);
        assert!(waiting.cr_await().is_none());
        let error = waiting.co_await().unwrap_err();
        assert_eq!(error.to_string(), "cannot reuse already awaited coroutine");
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_cancellation_reaches_the_await_that_it_stands_at() {
    run(|| {
        let log = Log::new();
        let inner = log.clone();
        let long = coroutine(move || {
            let waited = sleep(secs(60)).co_await();
            inner.push(format!("{}", waited.as_ref().unwrap_err().is_cancelled()));
            waited
        })
        .shared();
        let task = create_task(long.clone());
        sleep(millis(1)).co_await()?;
        task.cancel();
        assert!(task.co_await().unwrap_err().is_cancelled());
        assert_eq!(log.take(), ["true"]);
        assert_eq!(long.state(), FrameState::Closed);
        Ok(())
    })
    .unwrap();
}

#[test]
fn one_that_is_closed_under_its_task_is_an_error_there() {
    run(|| {
        let paused = coroutine(|| sleep(millis(2)).co_await()).shared();
        let task = create_task(paused.clone());
        sleep(millis(1)).co_await()?;
        paused.close()?;
        let error = task.co_await().unwrap_err();
        assert_eq!(error.to_string(), "cannot reuse already awaited coroutine");
        Ok(())
    })
    .unwrap();
}

#[test]
fn closing_it_raises_at_its_await() {
    let log = Log::new();
    let inner = log.clone();
    let shared = coroutine(move || {
        let _flag = inner.flag("dropped");
        let error = pause().unwrap_err();
        inner.push(error.is::<GeneratorExit>().to_string());
        Err::<(), _>(error)
    })
    .shared();
    shared.send(None).unwrap();
    shared.clone().close().unwrap();
    assert_eq!(log.take(), ["true", "dropped"]);
    shared.close().unwrap(); // closing twice is fine
    let stubborn = coroutine(|| {
        let _ = pause();
        pause()
    })
    .shared();
    stubborn.send(None).unwrap();
    assert_eq!(stubborn.close().unwrap_err().to_string(), "coroutine ignored GeneratorExit");
    assert!(stubborn.send(None).is_ok());
}

#[test]
fn the_last_handle_that_is_dropped_closes_it() {
    let log = Log::new();
    let inner = log.clone();
    let shared = coroutine(move || {
        let _flag = inner.flag("dropped");
        pause()
    })
    .shared();
    shared.send(None).unwrap();
    let other = shared.clone();
    drop(shared);
    assert!(log.take().is_empty());
    drop(other);
    assert_eq!(log.take(), ["dropped"]);
}

#[test]
fn one_that_never_ran_is_reported_once() {
    let ((), reports) = reported(|| {
        let shared = coroutine(|| Ok(())).shared();
        drop(shared.clone());
        drop(shared);
        coroutine(|| Ok(())).shared().close().unwrap();
    });
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert!(reports[0].contains("coroutine 'coroutine' was never awaited"), "{reports:?}");
}

#[test]
fn one_begun_by_hand_is_shared_as_it_stands() {
    let mut begun = coroutine(|| pause().map(|()| 6));
    begun.send(None).unwrap();
    let shared = begun.shared();
    assert_eq!(shared.state(), FrameState::Suspended);
    assert!(matches!(shared.send(None).unwrap(), Step::Returned(6)));
}

#[test]
fn a_panic_ends_it_and_goes_on_in_the_one_who_steps() {
    let shared = coroutine(|| {
        pause()?;
        panic!("burnt")
    })
    .shared();
    let other: SharedCoroutine<()> = shared.clone();
    shared.send(None).unwrap();
    quiet_panics();
    let payload = catch_unwind(AssertUnwindSafe(|| shared.send(None).map(drop))).unwrap_err();
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"burnt"));
    assert_eq!(other.state(), FrameState::Closed);
}

#[test]
fn it_is_awaited_in_async_blocks_as_well() {
    let six = coroutine(|| sleep(millis(1)).co_await().map(|()| 6)).shared();
    assert_eq!(run(move || async { six.await }.co_await()?).unwrap(), 6);
}
