//! Executors of one's own, and the end of them: what is waited for, what is refused afterwards.

mod common;

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use common::{Log, event_loop, quiet_panics, reported, run};
use coro_core::prelude::*;
use coro_core::{Executor, LoopBuilder, RunBuilder, RuntimeError};

type Job = Box<dyn FnOnce() + Send>;

/// An executor that keeps its jobs until somebody runs them.
fn kept() -> (impl Executor, Receiver<Job>) {
    let (jobs, queue): (Sender<Job>, _) = channel();
    (move |job: Job| jobs.send(job).unwrap(), queue)
}

fn on_the_real_clock<T>(main: impl FnOnce() -> Result<T>) -> Result<T> {
    RunBuilder::new().event_loop(LoopBuilder::new()).handle_interrupts(false).run(coroutine(main))
}

#[test]
fn jobs_go_to_the_executor_that_is_set_and_context_goes_along() {
    static EGGS: coro_core::ContextVar<u32> = coro_core::ContextVar::new("eggs");
    run(|| {
        let event_loop = get_running_loop()?;
        event_loop.set_default_executor(|job: Job| {
            thread::Builder::new().name("cook".to_owned()).spawn(job).unwrap();
        });
        EGGS.set(6);
        let name = || thread::current().name().map(str::to_owned);
        assert_eq!(event_loop.run_in_executor(name).co_await()?.as_deref(), Some("cook"));
        assert_eq!(
            to_thread(move || (name(), EGGS.get().ok())).co_await()?,
            (Some("cook".to_owned()), Some(6))
        );
        Ok(())
    })
    .unwrap();
}

#[test]
fn shutting_down_waits_for_jobs_and_drops_the_executor() {
    let log = Log::new();
    run(|| {
        let event_loop = get_running_loop()?;
        let flag = log.flag("executor dropped");
        event_loop.set_default_executor(move |job: Job| {
            let _ = &flag;
            thread::spawn(job);
        });
        let said = log.clone();
        let job = event_loop.run_in_executor(|| {
            thread::sleep(millis(20));
            6
        });
        let watcher = create_task(coroutine(move || {
            said.push(format!("job gave {}", job.co_await()?));
            Ok(())
        }));
        let shut = event_loop.shutdown_default_executor(None);
        log.push("nothing yet"); // it does nothing before it is awaited
        assert_eq!(event_loop.run_in_executor(|| 7).co_await()?, 7);
        shut.co_await()?;
        watcher.co_await()?;
        let mut log = log.take();
        log[1..].sort();
        assert_eq!(log, ["nothing yet", "executor dropped", "job gave 6"]);
        for error in [event_loop.run_in_executor(|| 7).co_await(), to_thread(|| 7).co_await()] {
            let error = error.unwrap_err();
            assert!(error.is::<RuntimeError>());
            assert_eq!(error.to_string(), "Executor shutdown has been called");
        }
        event_loop.shutdown_default_executor(None).co_await() // twice is fine
    })
    .unwrap();
}

#[test]
fn a_shutdown_that_takes_too_long_warns_and_leaves_the_jobs_alone() {
    let (executor, queue) = kept();
    let (result, reports) = reported(|| {
        on_the_real_clock(|| {
            let event_loop = get_running_loop()?;
            event_loop.set_default_executor(executor);
            let late = event_loop.run_in_executor(|| 6);
            event_loop.shutdown_default_executor(Some(millis(20))).co_await()?;
            assert!(!late.done());
            queue.try_recv().unwrap()();
            late.co_await()
        })
    });
    assert_eq!(result.unwrap(), 6);
    assert_eq!(reports, ["The executor did not finish joining its threads within 0.02 seconds."]);
}

#[test]
fn cancelling_a_shutdown_ends_only_the_waiting() {
    let (executor, queue) = kept();
    on_the_real_clock(|| {
        let event_loop = get_running_loop()?;
        event_loop.set_default_executor(executor);
        let job = event_loop.run_in_executor(|| 6);
        let shut = wait_for(event_loop.shutdown_default_executor(Some(secs(60))), millis(10)).co_await();
        assert!(shut.unwrap_err().is_timeout());
        assert!(event_loop.run_in_executor(|| 7).co_await().is_err());
        queue.try_recv().unwrap()();
        assert_eq!(job.co_await()?, 6);
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_job_that_is_dropped_fails_and_one_that_runs_at_once_is_done() {
    run(|| {
        let event_loop = get_running_loop()?;
        event_loop.set_default_executor(drop::<Job>);
        let error = to_thread(|| 6).co_await().unwrap_err();
        assert_eq!(error.to_string(), "the executor dropped the job without running it");
        event_loop.set_default_executor(|job: Job| job());
        assert_eq!(to_thread(|| 6).co_await()?, 6);
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_panic_of_an_executor_is_the_callers_and_the_loop_ends_well() {
    quiet_panics();
    run(|| {
        let event_loop = get_running_loop()?;
        event_loop.set_default_executor(|_: Job| panic!("meant: no threads"));
        let starter = create_task(coroutine(|| to_thread(|| 6).co_await()));
        assert!(starter.co_await().unwrap_err().is_panic());
        Ok(())
    })
    .unwrap();
}

#[test]
fn the_end_of_run_takes_no_more_jobs_and_closing_drops_the_executor() {
    let log = Log::new();
    let event_loop = event_loop();
    let flag = log.flag("executor dropped");
    event_loop.set_default_executor(move |job: Job| {
        let _ = &flag;
        thread::spawn(job);
    });
    assert_eq!(event_loop.run_until_complete(to_thread(|| 6)).unwrap(), 6);
    event_loop.close().unwrap();
    assert_eq!(log.take(), ["executor dropped"]);

    let said = log.clone();
    run(move || {
        let event_loop = get_running_loop()?;
        let again = event_loop.clone();
        let job = event_loop.run_in_executor(|| thread::sleep(millis(20)));
        create_task(coroutine(move || {
            // Main is gone: the job is waited for, and what it leads to is refused.
            let _ = sleep(secs(60)).co_await();
            job.add_done_callback(move |_| {
                let late = again.run_in_executor(|| 7);
                said.push(format!("{:?}", late.exception()));
            });
            Ok(())
        }));
        sleep(secs(0)).co_await()
    })
    .unwrap();
    let log = log.take();
    assert_eq!(log.len(), 1);
    assert!(log[0].contains("Executor shutdown has been called"), "{log:?}");
}
