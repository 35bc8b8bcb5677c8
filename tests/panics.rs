//! A panic stays with whom it belongs to: the task, the callback, the one who resumes or awaits.

mod common;

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;

use common::{Log, event_loop, quiet_panics, reported, run};
use coro_core::prelude::*;
use coro_core::{Future, InvalidState, Panicked, Runner};

fn burn<T>() -> Result<T> {
    panic!("meant: burnt");
}

#[test]
fn a_panic_in_a_task_is_the_error_of_whoever_awaits_it() {
    quiet_panics();
    run(|| {
        let error = create_task(coroutine(burn::<u32>)).co_await().unwrap_err();
        assert!(error.is_panic());
        assert_eq!(error.downcast_ref::<Panicked>().unwrap().message(), "meant: burnt");
        let error = create_task(async { burn::<u32>() }).co_await().unwrap_err();
        assert!(error.is_panic());
        let error = gather((coroutine(burn::<u32>), sleep(secs(1)))).co_await().unwrap_err();
        assert!(error.is_panic());
        let error = to_thread(burn::<u32>).co_await().unwrap_err();
        assert!(error.is_panic());
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_panic_that_nobody_asks_for_is_reported() {
    quiet_panics();
    let (result, reports) = reported(|| {
        run(|| {
            drop(create_task(coroutine(burn::<u32>)));
            sleep(secs(1)).co_await()
        })
    });
    result.unwrap();
    assert_eq!(reports.len(), 1);
    assert!(reports[0].contains("never retrieved") && reports[0].contains("meant: burnt"), "{reports:?}");
}

#[test]
fn a_panic_of_main_goes_on_in_the_caller_with_its_payload() {
    quiet_panics();
    struct Payload(u32);
    let payload =
        |run: &mut dyn FnMut()| catch_unwind(AssertUnwindSafe(run)).unwrap_err().downcast::<Payload>();
    let boom = || coroutine(|| -> Result<()> { resume_unwind(Box::new(Payload(7))) });
    assert_eq!(payload(&mut || coro_core::run(boom()).unwrap()).unwrap().0, 7);
    let mut runner = Runner::new();
    assert_eq!(payload(&mut || runner.run(boom()).unwrap()).unwrap().0, 7);
    assert_eq!(runner.run(coroutine(|| Ok(1))).unwrap(), 1, "the runner is as good as before");
    let event_loop = event_loop();
    assert_eq!(payload(&mut || event_loop.run_until_complete(boom()).unwrap()).unwrap().0, 7);
    assert_eq!(event_loop.run_until_complete(coroutine(|| Ok(2))).unwrap(), 2);
}

#[test]
fn a_callback_that_panics_is_reported_while_a_main_that_borrows_is_parked() {
    quiet_panics();
    let mut lent = String::from("lent");
    let (result, reports) = reported(|| {
        run(|| {
            let own = get_running_loop()?;
            own.call_soon(|| panic!("meant: soon"));
            own.call_later(millis(1), || panic!("meant: later"));
            own.call_soon_threadsafe(|| panic!("meant: from a thread"))?;
            let future = Future::<u32>::new();
            future.add_done_callback(|_| panic!("meant: done callback"));
            future.set_result(1)?;
            sleep(secs(1)).co_await()?;
            lent.push_str(" and used");
            Ok(())
        })
    });
    result.unwrap();
    assert_eq!(lent, "lent and used");
    for text in ["meant: soon", "meant: later", "meant: from a thread", "meant: done callback"] {
        let told = |report: &String| report.contains("callback") && report.contains(text);
        assert!(reports.iter().any(told), "no report of {text:?}: {reports:?}");
    }
}

#[test]
fn a_panic_while_a_coroutine_for_another_thread_is_made_is_its_result() {
    quiet_panics();
    run(|| {
        let handle = get_running_loop()?.handle();
        let make = || -> coro_core::Sleep { panic!("meant: while making") };
        let error = handle.run_coroutine_threadsafe(make).co_await()?.unwrap_err();
        assert!(error.is_panic(), "{error:?}");
        Ok(())
    })
    .unwrap();
}

struct Manager {
    log: Log,
    panics_in_exit: bool,
}

impl AsyncContextManager for Manager {
    type Value = ();

    fn aenter(&mut self) -> Result<()> {
        sleep(secs(1)).co_await()
    }

    fn aexit(&mut self, error: Option<&Error>) -> Result<bool> {
        sleep(secs(1)).co_await()?; // awaits although the body panicked: the unwind has been caught
        self.log.push(format!("exit sees a panic: {}", error.is_some_and(Error::is_panic)));
        assert!(!self.panics_in_exit, "meant: in the exit");
        Ok(true) // a panic cannot be swallowed
    }
}

async_fn! {
    async fn managed(log: Log, panics_in_body: bool, panics_in_exit: bool) {
        async with (Manager { log, panics_in_exit }) {
            await!(sleep(secs(1)));
            assert!(!panics_in_body, "meant: in the body");
        }
    }

    async fn entered() yields () {
        yield!(());
    }

    async fn managed_by_a_generator() {
        async with context_manager(entered()) {
            panic!("meant: in the body");
        }
    }
}

#[test]
fn a_panic_in_the_body_of_async_with_leaves_through_the_exit() {
    quiet_panics();
    let log = Log::new();
    run(|| {
        let message = |body, exit| {
            let error = create_task(managed(log.clone(), body, exit)).co_await().unwrap_err();
            error.downcast_ref::<Panicked>().map(|panicked| panicked.message().to_owned())
        };
        assert_eq!(message(true, false).unwrap(), "meant: in the body");
        assert_eq!(message(false, true).unwrap(), "meant: in the exit");
        assert_eq!(message(true, true).unwrap(), "meant: in the exit");
        let error = create_task(managed_by_a_generator()).co_await().unwrap_err();
        assert_eq!(error.downcast_ref::<Panicked>().unwrap().message(), "meant: in the body");
        Ok(())
    })
    .unwrap();
    let (no, yes) = ("exit sees a panic: false", "exit sees a panic: true");
    assert_eq!(log.take(), [yes, no, yes]);
}

#[test]
fn a_timeout_is_left_when_its_body_panics() {
    quiet_panics();
    run(|| {
        let caught = catch_unwind(AssertUnwindSafe(|| timeout(secs(1), burn::<()>)));
        assert!(caught.is_err());
        sleep(secs(60)).co_await() // is not cancelled by the limit that was left
    })
    .unwrap();
}

#[test]
fn a_panic_in_a_coroutine_driven_by_hand_goes_on_in_the_one_who_drives() {
    quiet_panics();
    let mut burning = coroutine(burn::<u32>);
    assert!(catch_unwind(AssertUnwindSafe(|| burning.send(None))).is_err());
    assert_eq!(burning.send(None).unwrap_err().to_string(), "cannot reuse already awaited coroutine");
    let mut later = coroutine(|| {
        coro_core::suspend(coro_core::Awaited::Yield)?;
        burn::<u32>()
    });
    later.send(None).unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| later.send(None))).is_err());
    assert_eq!(later.state(), coro_core::FrameState::Closed);
}

#[test]
fn the_current_task_and_context_are_right_after_every_kind_of_panic() {
    quiet_panics();
    static NAME: coro_core::ContextVar<&str> = coro_core::ContextVar::with_default("name", || "outside");
    let (result, _) = reported(|| {
        run(|| {
            drop(NAME.set("main"));
            let me = coro_core::current_task().unwrap();
            let check = || {
                coro_core::current_task().is_some_and(|task| task.same(&me)) && NAME.get().unwrap() == "main"
            };
            let _ = create_task(coroutine(|| {
                drop(NAME.set("child"));
                burn::<()>()
            }))
            .co_await();
            assert!(check());
            let seen = Rc::new(Cell::new(false));
            let inner = seen.clone();
            get_running_loop()?.call_soon(|| panic!("meant: callback"));
            get_running_loop()?.call_soon(move || inner.set(coro_core::current_task().is_none()));
            sleep(secs(1)).co_await()?;
            assert!(check() && seen.get());
            let _ = catch_unwind(AssertUnwindSafe(|| coro_core::Context::new().run(burn::<()>)));
            assert!(check());
            Ok(())
        })
    });
    result.unwrap();
    assert_eq!(NAME.get().unwrap(), "outside");
    assert!(coro_core::current_task().is_none());
}

#[test]
fn the_payload_of_a_panic_is_given_on_once() {
    quiet_panics();
    run(|| {
        let task = create_task(coroutine(burn::<u32>));
        let first = (&task).co_await().unwrap_err();
        let second = (&task).co_await().unwrap_err();
        assert!(first.same(&second));
        let taken = create_task(coroutine(|| Ok(1)));
        let future = taken.future();
        taken.co_await()?;
        assert!(future.result().unwrap_err().is::<InvalidState>());
        Ok(())
    })
    .unwrap();
}
