//! `SystemExit` and `KeyboardInterrupt` raised in tasks: what runs on, what is raised, the status of the process.

mod common;

use std::cell::Cell;
use std::process::ExitCode;
use std::rc::Rc;

use common::{Log, event_loop, reported, run};
use coro_core::prelude::*;
use coro_core::{KeyboardInterrupt, Runner, SystemExit, TaskBuilder};

mod program {
    use coro_core::prelude::*;

    /// A program whose helper raises what it is told to.
    #[coro_core::main]
    async fn main() -> Result<()> {
        let error = super::RAISED.take().expect("it was set");
        let _helper = create_task(coroutine(|| Err::<(), _>(error)));
        sleep(secs(3600)).await;
        Ok(())
    }

    pub fn run() -> std::process::ExitCode {
        std::process::Termination::report(main())
    }
}

thread_local! {
    static RAISED: Cell<Option<Error>> = const { Cell::new(None) };
}

fn exits(status: i32) -> BoxCoroutine<()> {
    coroutine(move || Err(SystemExit(status).into())).boxed()
}

/// An `ExitCode` cannot be compared, but printed.
fn status(error: impl Into<Error>) -> String {
    RAISED.set(Some(error.into()));
    format!("{:?}", program::run())
}

#[test]
fn a_program_ends_with_the_status_that_any_of_its_tasks_raises() {
    for code in [0, 3, 255] {
        assert_eq!(status(SystemExit(code.into())), format!("{:?}", ExitCode::from(code)));
    }
    assert_eq!(status(SystemExit(256 + 7)), format!("{:?}", ExitCode::from(7)), "the last eight bits");
    assert_eq!(status(SystemExit(-1)), format!("{:?}", ExitCode::from(255)));
    assert_eq!(status(KeyboardInterrupt), format!("{:?}", ExitCode::from(130)));
}

#[test]
fn it_is_reported_nowhere_else() {
    let (error, reports) = reported(|| {
        run(|| {
            drop(create_task(exits(3)));
            sleep(secs(1)).co_await()
        })
    });
    assert_eq!(error.unwrap_err().downcast_ref(), Some(&SystemExit(3)));
    assert!(reports.is_empty(), "{reports:?}");
}

#[test]
fn the_round_ends_with_the_step_that_raises_and_the_rest_comes_in_the_next_run() {
    let (event_loop, log) = (event_loop(), Log::new());
    event_loop.create_task(exits(3));
    event_loop.call_soon({
        let log = log.clone();
        move || log.push("what was ready")
    });
    assert!(event_loop.run_forever().unwrap_err().is::<SystemExit>());
    assert!(log.take().is_empty());
    event_loop.stop();
    event_loop.run_forever().unwrap();
    assert_eq!(log.take(), ["what was ready"]);
    event_loop.close().unwrap();
}

#[test]
fn an_eager_task_lets_its_creator_finish_its_step() {
    let log = Log::new();
    let inside = log.clone();
    let error = run(move || {
        let task = TaskBuilder::new().eager_start(true).create(exits(3));
        inside.push(format!("done {}", task.done()));
        let slept = sleep(Duration::ZERO).co_await();
        inside.push(format!("cancelled {}", slept.is_err()));
        slept
    });
    assert!(error.unwrap_err().is::<SystemExit>());
    assert_eq!(log.take(), ["done true", "cancelled true"]);
}

#[test]
fn main_may_borrow_and_clean_up_before_run_is_left() {
    let cleaned = Cell::new(false);
    let error = run(|| {
        create_task(exits(3));
        let slept = sleep(secs(1)).co_await();
        sleep(secs(60)).co_await()?;
        cleaned.set(true);
        slept
    });
    assert!(error.unwrap_err().is::<SystemExit>());
    assert!(cleaned.get());
}

#[test]
fn a_child_of_a_scope_breaks_out_when_its_siblings_have_ended() {
    let ended = Cell::new(0);
    let error = run(|| {
        TaskGroup::scope(|group| {
            for _ in 0..3 {
                group.create_task(coroutine(|| {
                    let slept = sleep(secs(60)).co_await();
                    ended.set(ended.get() + 1);
                    slept
                }));
            }
            group.create_task(coroutine(|| {
                sleep(secs(1)).co_await()?;
                Err::<(), _>(SystemExit(3).into())
            }));
            Ok(())
        })
    });
    assert_eq!(error.unwrap_err().downcast_ref(), Some(&SystemExit(3)));
    assert_eq!(ended.get(), 3);
}

#[test]
fn a_runner_cancels_main_alone_and_can_run_again() {
    let mut runner = Runner::with(coro_core::RunBuilder::new().virtual_clock());
    let ticks = Rc::new(Cell::new(0));
    let counted = Rc::clone(&ticks);
    let error = runner.run(coroutine(move || {
        create_task(coroutine(move || {
            loop {
                sleep(secs(1)).co_await()?;
                counted.set(counted.get() + 1);
            }
            #[expect(unreachable_code, reason = "says of which type the loop is")]
            Ok(())
        }));
        create_task(exits(3));
        sleep(secs(60)).co_await()
    }));
    assert!(error.unwrap_err().is::<SystemExit>());
    runner.run(sleep(millis(2_500))).unwrap();
    assert_eq!(ticks.get(), 2, "the other task goes on");
    runner.close().unwrap();
}
