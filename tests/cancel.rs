//! A cancellation is not lost: not in destructors that await, not in foreign code that wraps errors.

mod common;

use std::io::{self, BufRead, BufReader, Read};
use std::rc::Rc;

use common::{Log, reported, run};
use coro_core::prelude::*;
use coro_core::{Cancelled, Elapsed, Future, Yielder, async_generator};

/// Awaits at `steps` places when it is dropped, and ignores what comes of it, as destructors do.
struct Closes {
    log: Log,
    steps: u32,
}

impl Drop for Closes {
    fn drop(&mut self) {
        cleanup(|| {
            for step in 0..self.steps {
                let waited = sleep(secs(1)).co_await().is_ok();
                self.log.push(format!("closing {step}: {waited}"));
            }
        });
    }
}

#[test]
fn a_cancellation_at_each_await_of_a_destructor_is_held_back_and_delivered_after_it() {
    for step in 0..3 {
        let log = Log::new();
        run(|| {
            let task = create_task(coroutine({
                let log = log.clone();
                move || {
                    drop(Closes { log: log.clone(), steps: 3 });
                    let result = sleep(secs(60)).co_await();
                    log.push(format!("next await: {:?}", result.as_ref().err().map(Error::is_cancelled)));
                    result
                }
            }));
            sleep(millis(1000 * step + 500)).co_await()?;
            assert!(task.cancel());
            assert!(task.co_await().unwrap_err().is_cancelled());
            assert_eq!(
                get_running_loop()?.time(),
                secs(3),
                "the destructor ran to its end, and nothing longer"
            );
            Ok(())
        })
        .unwrap();
        let closed = ["closing 0: true", "closing 1: true", "closing 2: true", "next await: Some(true)"];
        assert_eq!(log.take(), closed);
    }
}

#[test]
fn a_timeout_around_a_destructor_that_ignores_its_errors_still_strikes() {
    let log = Log::new();
    run(|| {
        let error = timeout(millis(500), || {
            drop(Closes { log: log.clone(), steps: 2 });
            sleep(secs(60)).co_await()
        })
        .unwrap_err();
        assert!(error.is::<Elapsed>());
        assert_eq!(get_running_loop()?.time(), secs(2));
        Ok(())
    })
    .unwrap();
    assert_eq!(log.take().len(), 2);
}

#[test]
fn a_cancellation_held_back_is_delivered_at_a_bare_yield_and_at_a_new_future_alike() {
    let after: [fn() -> Result<()>; 4] = [
        || sleep(secs(0)).co_await(),
        || sleep(secs(60)).co_await(),
        || (&Future::<()>::new()).co_await(),
        || create_task(sleep(secs(60))).co_await(),
    ];
    for after in after {
        run(move || {
            let task = create_task(coroutine(move || {
                cleanup(|| sleep(secs(1)).co_await())?;
                after()
            }));
            sleep(millis(1)).co_await()?;
            task.cancel();
            assert!(task.co_await().unwrap_err().is_cancelled());
            assert_eq!(get_running_loop()?.time(), secs(1));
            Ok(())
        })
        .unwrap();
    }
}

#[test]
fn a_task_that_ends_with_a_cancellation_held_back_is_cancelled() {
    run(|| {
        let task = create_task(coroutine(|| cleanup(|| sleep(secs(1)).co_await())));
        sleep(millis(1)).co_await()?;
        task.cancel();
        assert!(task.co_await().unwrap_err().is_cancelled());
        Ok(())
    })
    .unwrap();
}

#[test]
fn cleanups_nest_and_a_panic_lifts_one() {
    run(|| {
        let task = create_task(coroutine(|| {
            cleanup(|| {
                cleanup(|| sleep(secs(1)).co_await())?;
                let _ = std::panic::catch_unwind(|| cleanup(|| std::panic::resume_unwind(Box::new(()))));
                sleep(secs(1)).co_await() // still in the outer one
            })?;
            sleep(secs(60)).co_await()
        }));
        sleep(millis(500)).co_await()?;
        task.cancel();
        assert!(task.co_await().unwrap_err().is_cancelled());
        assert_eq!(get_running_loop()?.time(), secs(2));
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_cancelled_task_may_await_while_it_cleans_up_without_any_shield() {
    run(|| {
        let task = create_task(coroutine(|| {
            let error = sleep(secs(60)).co_await().unwrap_err();
            sleep(secs(1)).co_await()?; // one cancel() is one Cancelled
            Err::<(), _>(error)
        }));
        sleep(secs(1)).co_await()?;
        task.cancel();
        assert!(task.co_await().unwrap_err().is_cancelled());
        assert_eq!(get_running_loop()?.time(), secs(2));
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_task_that_was_cancelled_before_its_start_never_runs_and_is_not_reported() {
    let (result, reports) = reported(|| {
        run(|| {
            let never = || coroutine(|| -> Result<()> { unreachable!("it was cancelled before its start") });
            let task = create_task(never());
            task.cancel();
            assert!(task.co_await().unwrap_err().is_cancelled());
            let std_future = create_task(async move { never().co_await() });
            std_future.cancel();
            let error = std_future.co_await().unwrap_err();
            assert!(error.is_cancelled());
            never().close()
        })
    });
    result.unwrap();
    assert!(reports.is_empty(), "{reports:?}");
}

#[test]
fn a_coroutine_that_is_never_awaited_is_reported_once_with_its_line() {
    let ((), reports) = reported(|| drop(coroutine(|| Ok(()))));
    assert_eq!(reports, ["coroutine 'coroutine' was never awaited"]);
}

/// Sleeps in its `read`, as a socket would wait.
struct SlowReader {
    byte: u8,
}

impl Read for SlowReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        sleep(secs(1)).co_await()?;
        buffer[0] = self.byte;
        Ok(1)
    }
}

/// What a task raises that runs `f` and is cancelled in the middle of its third read.
fn cancelled_in(f: impl FnOnce() -> Result<()> + 'static) -> Error {
    run(|| {
        let task = create_task(coroutine(move || {
            let error = f().unwrap_err();
            assert!(error.is_cancelled(), "{error:?}");
            Err::<(), _>(error)
        }));
        sleep(millis(2500)).co_await()?;
        task.cancel();
        let error = task.any();
        sleep(millis(1)).co_await()?;
        assert!(error.cancelled(), "the task ends as cancelled: {task:?}");
        Ok(error.exception().unwrap())
    })
    .unwrap()
}

#[test]
fn a_cancellation_passes_through_io_errors_and_is_never_retried() {
    let read_exact = || {
        let mut buffer = [0; 100];
        // `read_exact` retries on `Interrupted`: it would swallow the one cancellation.
        Ok(SlowReader { byte: b'1' }.read_exact(&mut buffer)?)
    };
    assert!(cancelled_in(read_exact).is::<Cancelled>());
    let read_line =
        || Ok(BufReader::new(SlowReader { byte: b'1' }).read_line(&mut String::new()).map(drop)?);
    assert!(cancelled_in(read_line).is_cancelled());
    let copy = || Ok(io::copy(&mut SlowReader { byte: b'1' }, &mut io::sink()).map(drop)?);
    assert!(cancelled_in(copy).is_cancelled());
    let kind = io::Error::from(Error::new(Cancelled::new())).kind();
    assert_ne!(kind, io::ErrorKind::Interrupted);
    let interrupted = Error::new(io::Error::from(io::ErrorKind::Interrupted));
    assert_ne!(io::Error::from(interrupted).kind(), io::ErrorKind::Interrupted);
}

#[test]
fn a_cancellation_passes_through_serde_json() {
    let parse = || Ok(serde_json::from_reader::<_, u64>(SlowReader { byte: b'1' }).map(drop)?);
    assert!(cancelled_in(parse).is_cancelled());
}

#[test]
fn a_cancellation_is_found_at_any_depth() {
    #[derive(Debug, thiserror::Error)]
    #[error("layer")]
    struct Layer(#[source] Box<dyn std::error::Error + Send + Sync>);
    let mut error = Error::new(Cancelled::new());
    for depth in 0..4 {
        error = Error::new(Layer(
            io::Error::other(Box::<dyn std::error::Error + Send + Sync>::from(error)).into(),
        ));
        assert!(error.is_cancelled(), "depth {depth}");
    }
    assert!(!Error::new(Layer("other".into())).is_cancelled());
    // A timeout that was caused by a cancellation is none.
    assert!(!Error::caused_by(Elapsed, Error::new(Cancelled::new())).is_cancelled());
}

#[test]
fn a_timeout_that_strikes_in_foreign_code_is_a_timeout() {
    run(|| {
        let error =
            timeout(millis(1500), || Ok(serde_json::from_reader::<_, u64>(SlowReader { byte: b'1' })?))
                .unwrap_err();
        assert!(error.is::<Elapsed>(), "{error:?}");
        sleep(secs(60)).co_await()
    })
    .unwrap();
}

#[test]
fn a_scope_in_an_io_trait_is_cancelled_with_its_children() {
    let log = Log::new();
    struct Scoped(Log);
    impl Read for Scoped {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            let log = &self.0;
            TaskGroup::scope(|group| {
                group.create_task(coroutine(|| {
                    let result = sleep(secs(60)).co_await();
                    log.push(format!("child cancelled: {}", result.is_err()));
                    result
                }));
                Ok(())
            })?;
            Ok(0)
        }
    }
    let inner = log.clone();
    cancelled_in(move || Ok(Scoped(inner).read_exact(&mut [0])?));
    assert_eq!(log.take(), ["child cancelled: true"]);
}

#[test]
fn a_consumer_that_is_cancelled_closes_the_generator_that_it_reads() {
    let log = Log::new();
    run(|| {
        let inner = log.clone();
        let task = create_task(coroutine(move || {
            let mut numbers = async_generator(move |y: &Yielder<u32>| {
                let _closes = Closes { log: inner.clone(), steps: 1 };
                let result = y.yield_(1);
                let is_exit = result.as_ref().is_err_and(|error| error.is::<GeneratorExit>());
                inner.push(format!("exit: {is_exit}"));
                result
            });
            numbers.anext()?;
            sleep(secs(60)).co_await()
        }));
        sleep(secs(1)).co_await()?;
        task.cancel();
        assert!(task.co_await().unwrap_err().is_cancelled());
        assert_eq!(get_running_loop()?.time(), secs(2));
        Ok(())
    })
    .unwrap();
    assert_eq!(log.take(), ["exit: true", "closing 0: true"]);
}

#[test]
fn a_lock_whose_turn_comes_with_a_cancellation_goes_to_the_next() {
    run(|| {
        let lock = Rc::new(Lock::new(()));
        let held = lock.lock().co_await()?;
        let waiter = || {
            let lock = lock.clone();
            create_task(coroutine(move || lock.lock().co_await().map(drop)))
        };
        let (first, second) = (waiter(), waiter());
        sleep(secs(1)).co_await()?;
        drop(held);
        first.cancel();
        assert!(first.co_await().unwrap_err().is_cancelled());
        timeout(secs(1), || second.co_await())
    })
    .unwrap();
}
