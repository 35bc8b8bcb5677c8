//! Debug mode, and what is said of things that were forgotten: where a coroutine was made that nobody awaited, and what
//! was dropped without being closed.

mod common;

use common::{assert_well, in_child, next_round, reported, run, stderr};
use coro_core::prelude::*;
use coro_core::{LoopBuilder, RunBuilder, Runner};

async_fn! {
    async fn boil() {}
}

struct Kitchen;

impl Kitchen {
    async_fn! {
        /// A method, which says itself whose line is told.
        #[track_caller]
        async fn eggs(&self) {}
    }
}

#[test]
fn a_coroutine_that_is_never_awaited_is_reported_with_the_line_of_its_call() {
    let line = line!() + 2;
    let child = in_child("a_coroutine_that_is_never_awaited_is_reported_with_the_line_of_its_call", || {
        drop(boil());
        drop(coroutine(|| Ok(())));
        drop(boil().boxed());
        drop(Kitchen.eggs());
    });
    let Some(output) = child else { return };
    assert_well(&output);
    let text = stderr(&output);
    for (number, name) in (line..).zip(["boil", "coroutine", "boil", "eggs"]) {
        let warning =
            format!("tests/debug_mode.rs:{number}: RuntimeWarning: coroutine '{name}' was never awaited");
        assert!(text.contains(&warning), "{warning}\n{text}");
    }
}

#[test]
fn a_loop_that_is_dropped_without_being_closed_is_reported_once_in_debug_mode() {
    let build = |debug| LoopBuilder::new().virtual_clock().debug(debug).build().unwrap();
    let ((), reports) = reported(|| {
        drop(build(false));
        let closed = build(true);
        closed.close().unwrap();
        drop(closed);
        let (one, other) = (build(true), ());
        drop((one.clone(), other));
        one.run_until_complete(sleep(secs(1))).unwrap();
    });
    assert_eq!(reports, ["unclosed event loop <EventLoop running=false closed=false debug=true>"]);
}

#[test]
fn a_loop_that_a_panic_drops_and_one_of_a_runner_are_not_reported() {
    common::quiet_panics();
    let ((), reports) = reported(|| {
        let panicked = std::panic::catch_unwind(|| {
            let _dropped = LoopBuilder::new().debug(true).build().unwrap();
            panic!("meant: with a loop")
        });
        assert!(panicked.is_err());
        RunBuilder::new().debug(true).run(coroutine(next_round)).unwrap();
        let mut runner = Runner::new();
        runner.get_loop().unwrap().set_debug(true);
        drop(runner);
    });
    assert!(reports.is_empty(), "{reports:?}");
}

#[test]
fn slow_steps_are_reported_by_a_limit_that_can_be_set() {
    let (result, reports) = reported(|| {
        run(|| {
            let event_loop = get_running_loop()?;
            event_loop.set_debug(true);
            event_loop.set_slow_callback_duration(millis(5));
            for time in [1, 5] {
                let clock = event_loop.clone();
                event_loop.call_soon(move || clock.advance_time(millis(time)).unwrap());
            }
            next_round()
        })
    });
    result.unwrap();
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert!(reports[0].contains("took 0.005 seconds"), "{reports:?}");
}
