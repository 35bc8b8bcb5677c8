//! `get_stack` and `print_stack`: what is known of the calls of a task, whatever state it is in.

mod common;

use std::cell::RefCell;
use std::fmt;
use std::io::Write;

use common::{assert_well, event_loop, in_child, next_round, quiet_panics, reported, run, stderr};
use coro_core::prelude::*;
use coro_core::{
    AnyTask, ErrorGroup, Future, TaskBuilder, TaskStack, ValueError, capture_call_graph, current_task, wait,
};

async_fn! {
    async fn boil() { await!(sleep(secs(1))) }
    async fn cook(egg: Future<()>) { await!(egg) }
    async fn burn() { raise!(ValueError::new("burnt")); }
}

fn me() -> AnyTask {
    current_task().unwrap()
}

fn named<T: 'static>(name: &str, awaitable: impl Awaitable<Output = T> + 'static) -> Task<T> {
    TaskBuilder::new().name(name).create(awaitable)
}

/// The task when it has ended.
fn ended<T: 'static>(awaitable: impl Awaitable<Output = T> + 'static) -> Result<Task<T>> {
    let task = create_task(awaitable);
    wait([&task]).co_await()?;
    Ok(task)
}

fn names(stack: &TaskStack) -> Vec<Option<&'static str>> {
    stack.iter().map(|frame| frame.name()).collect()
}

fn lines(stack: &TaskStack) -> Vec<String> {
    stack.to_string().lines().map(str::to_owned).collect()
}

#[test]
fn a_task_that_waits_shows_its_coroutine_alone() {
    run(|| {
        let egg = create_task(boil());
        let cook = create_task(cook(egg.future()));
        assert_eq!(names(&cook.get_stack()), [Some("cook")]); // not started
        next_round()?;
        assert_eq!(names(&cook.get_stack()), [Some("cook")]); // what it waits for is not followed
        let entry = cook.get_stack()[0];
        assert_eq!(entry.place(), cook.get_coro().place());
        let graph = capture_call_graph(Some(&cook))?.unwrap();
        assert_eq!(graph.call_stack(), [entry]);
        Ok(())
    })
    .unwrap();
}

#[test]
fn the_current_task_knows_where_it_was_asked() {
    run(|| {
        let line = line!() + 1;
        let stack = me().get_stack();
        assert_eq!(names(&stack), [Some(me().get_coro().name()), None]); // the newest last
        assert_eq!(stack[1].place(), (file!(), line));

        let egg = create_task(coroutine(|| Ok(me().get_stack().len())));
        assert_eq!(egg.co_await()?, 2);
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_helper_that_tracks_its_caller_is_passed_by() {
    #[track_caller]
    fn helper() -> TaskStack {
        me().get_stack()
    }
    run(|| {
        assert_eq!(helper()[1].place(), (file!(), line!()));
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_limit_keeps_the_newest_of_a_stack_and_the_oldest_of_a_traceback() {
    run(|| {
        let coro = Some(me().get_coro().name());
        let own = |limit| names(&me().get_stack().limit(limit));
        assert_eq!((own(0), own(1), own(2)), (vec![], vec![None], vec![coro, None]));
        assert_eq!(own(usize::MAX), own(2));

        let task = ended(burn())?;
        let failed = |limit| names(&task.get_stack().limit(limit));
        assert_eq!((failed(0), failed(1), failed(2)), (vec![], vec![Some("burn")], vec![Some("burn"), None]));
        assert_eq!(failed(usize::MAX), failed(2));
        Ok(())
    })
    .unwrap();
}

#[test]
fn the_text_has_the_form_of_cpython() {
    run(|| {
        let egg = named("egg", boil());
        let (file, line) = egg.get_coro().place();
        let place = format!("  File \"{file}\", line {line}, in boil");
        let head = format!("<Task pending name='egg' coro=<boil() running at {file}:{line}>>");
        assert_eq!(lines(&egg.get_stack()), [format!("Stack for {head} (most recent call last):"), place]);
        assert_eq!(egg.get_stack().limit(0).to_string(), format!("No stack for {head}"));

        let mut out = Vec::new();
        writeln!(out, "{}", egg.get_stack())?;
        let mut text = String::new();
        fmt::Write::write_fmt(&mut text, format_args!("{}\n", egg.get_stack()))?;
        assert_eq!(String::from_utf8(out)?, text);
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_task_that_has_ended_well_or_was_cancelled_has_no_stack() {
    run(|| {
        let well = ended(coroutine(|| Ok(6)))?;
        assert!(well.get_stack().is_empty());
        assert!(well.get_stack().to_string().starts_with("No stack for <Task finished name='Task-"));
        assert_eq!(lines(&well.get_stack()).len(), 1);

        let cancelled = create_task(boil());
        next_round()?;
        cancelled.cancel();
        assert_eq!(names(&cancelled.get_stack()), [Some("boil")]); // not yet
        wait([&cancelled]).co_await()?;
        assert!(cancelled.get_stack().is_empty());
        assert!(cancelled.get_stack().to_string().starts_with("No stack for <Task cancelled name='Task-"));

        let never = create_task(boil());
        never.cancel();
        assert_eq!(names(&never.get_stack()), [Some("boil")]);
        wait([&never]).co_await()?;
        assert!(never.get_stack().is_empty());
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_task_that_has_failed_shows_where_its_error_was_raised() {
    run(|| {
        let task = ended(burn())?;
        let stack = task.get_stack();
        let raised = task.exception()?.unwrap().location();
        assert_eq!(names(&stack), [Some("burn"), None]);
        assert_eq!(stack[0].place(), task.get_coro().place());
        assert_eq!(stack[1].place(), (raised.file(), raised.line()));
        let text = lines(&stack);
        assert!(text[0].starts_with("Traceback for <Task finished name='Task-"), "{text:?}");
        assert!(text[0].ends_with(" exception=ValueError(\"burnt\")> (most recent call last):"), "{text:?}");
        assert_eq!(text[2], format!("  File \"{}\", line {}", raised.file(), raised.line()));
        assert_eq!(text[3..], ["ValueError: burnt"]);
        let none = lines(&stack.limit(0));
        assert!(none[0].starts_with("No stack for <Task finished "), "{none:?}");
        assert_eq!(none[1..], ["ValueError: burnt"]);
        Ok(())
    })
    .unwrap();
}

#[test]
fn an_error_of_another_task_has_the_place_where_that_raised_it() {
    run(|| {
        let egg = ended(burn())?;
        let cook = ended(coroutine({
            let egg = egg.any_task();
            move || -> Result<()> { Err(egg.any().exception().unwrap()) }
        }))?;
        assert_eq!(cook.get_stack()[1], egg.get_stack()[1]);
        assert_eq!(names(&cook.get_stack()), [Some("coroutine"), None]);
        Ok(())
    })
    .unwrap();
}

#[test]
fn the_last_lines_are_the_error() {
    run(|| {
        let end = |error: Error| -> Result<Vec<String>> {
            let task = ended(coroutine(move || -> Result<()> { Err(error) }))?;
            let lines = lines(&task.get_stack());
            task.exception()?;
            Ok(lines[3..].to_vec())
        };
        assert_eq!(end(Error::new(ValueError::new("")))?, ["ValueError"]);
        assert_eq!(end(Error::new(ValueError::new("two\nlines")))?, ["ValueError: two", "lines"]);
        assert_eq!(end(Error::msg("six eggs"))?, ["Error: six eggs"]);
        let group = ErrorGroup::new("breakfast", vec![Error::msg("egg"), Error::msg("toast")]);
        assert_eq!(end(Error::new(group))?, ["ErrorGroup: breakfast (2 sub-exceptions)"]);
        let caused = Error::caused_by(ValueError::new("late"), Error::msg("the cause is not shown"));
        assert_eq!(end(caused)?, ["ValueError: late"]);
        Ok(())
    })
    .unwrap();
}

#[test]
fn the_place_of_a_panic_is_not_known() {
    quiet_panics();
    run(|| {
        let task = ended(coroutine(|| -> Result<()> { panic!("meant: burnt") }))?;
        assert_eq!(names(&task.get_stack()), [Some("coroutine")]);
        assert_eq!(lines(&task.get_stack())[2..], ["Panicked: panicked: meant: burnt"]);
        task.exception()?;
        Ok(())
    })
    .unwrap();
}

#[test]
fn looking_does_not_retrieve_the_error() {
    let (_, reports) = reported(|| {
        run(|| {
            let task = ended(burn())?;
            assert!(task.get_stack().to_string().ends_with("ValueError: burnt"));
            Ok(())
        })
        .unwrap();
    });
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert!(reports[0].starts_with("Task exception was never retrieved"), "{reports:?}");
}

#[test]
fn an_error_stays_for_those_who_look_after_it_was_retrieved() {
    run(|| {
        let task = ended(burn())?;
        let any = task.any_task();
        assert!(task.co_await().is_err());
        assert_eq!(any.get_stack().len(), 2);
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_task_that_could_not_begin_has_failed() {
    let task = create_task(boil());
    assert_eq!(names(&task.get_stack()), [Some("boil"), None]);
    assert_eq!(lines(&task.get_stack())[3..], ["RuntimeError: no running event loop"]);
    let event_loop = event_loop();
    event_loop.close().unwrap();
    let task = event_loop.create_task(boil());
    assert_eq!(lines(&task.get_stack())[3..], ["RuntimeError: Event loop is closed"]);
}

#[test]
fn a_task_that_was_destroyed_with_its_loop_has_no_stack() {
    let (_, reports) = reported(|| {
        let event_loop = event_loop();
        let egg = event_loop.create_task(boil());
        let new = event_loop.create_task(boil());
        event_loop.run_until_complete(sleep(millis(1))).unwrap();
        let later = event_loop.create_task(boil());
        assert_eq!(names(&later.get_stack()), [Some("boil")]); // the loop does not run
        event_loop.close().unwrap();
        for task in [egg, new, later] {
            assert!(!task.done() && task.get_stack().is_empty());
            assert!(task.get_stack().to_string().starts_with("No stack for <Task pending name="));
            assert!(capture_call_graph(Some(&task)).unwrap().unwrap().call_stack().is_empty());
        }
    });
    let destroyed = reports.iter().filter(|report| report.starts_with("Task was destroyed"));
    assert_eq!(destroyed.count(), 3, "{reports:?}");
}

#[test]
fn a_task_that_is_being_destroyed_still_runs() {
    struct Looks(std::sync::mpsc::Sender<usize>);
    impl Drop for Looks {
        fn drop(&mut self) {
            self.0.send(me().get_stack().len()).unwrap();
        }
    }
    let (said, heard) = std::sync::mpsc::channel();
    let _reports = reported(|| {
        let event_loop = event_loop();
        event_loop.create_task(coroutine(move || {
            let _looks = Looks(said);
            sleep(secs(1)).co_await()
        }));
        event_loop.run_until_complete(sleep(millis(1))).unwrap();
        event_loop.close().unwrap();
    });
    assert_eq!(heard.recv().unwrap(), 2);
}

#[test]
fn a_task_whose_step_is_going_on_beneath_another_is_asked() {
    run(|| {
        let cook = me();
        let eager = coroutine({
            let cook = cook.clone();
            move || Ok((names(&cook.get_stack()), names(&me().get_stack())))
        });
        // Its step is taken within that of main, which is not the current task meanwhile.
        let task = TaskBuilder::new().eager_start(true).create(eager);
        assert_eq!(task.result()?, (vec![Some(cook.get_coro().name())], vec![Some("coroutine"), None]));
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_task_of_a_std_future_has_a_stack_of_one_entry() {
    run(|| {
        let line = line!() + 1;
        let task = create_task(async { me().get_stack() });
        assert_eq!(task.get_stack().len(), 1);
        assert_eq!(task.get_stack()[0].place(), (file!(), line));
        let within = task.co_await()?;
        assert_eq!(within.len(), 2);
        Ok(())
    })
    .unwrap();
}

#[test]
fn tasks_in_a_circle_have_a_stack() {
    run(|| {
        let given = Future::<Future<()>>::new();
        let ada = named("ada", {
            let given = given.clone();
            coroutine(move || given.co_await()?.co_await())
        });
        let bob = named("bob", ada.future());
        given.set_result(bob.future())?;
        sleep(millis(1)).co_await()?;
        for task in [&ada, &bob] {
            let text = task.get_stack().to_string();
            assert!(text.contains("wait_for=... cb=") && text.lines().count() == 2, "{text}");
        }
        ada.cancel();
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_callback_asks_for_the_stack_of_a_task_that_has_ended() {
    run(|| {
        let (said, heard) = std::sync::mpsc::channel();
        let task = create_task(burn());
        task.add_done_callback(move |task| said.send(task.get_stack().len()).unwrap());
        task.co_await().unwrap_err();
        next_round()?;
        assert_eq!(heard.recv().unwrap(), 2);
        Ok(())
    })
    .unwrap();
}

/// An error that looks at a task while it is printed.
struct Curious;

thread_local! {
    static LOOKED_AT: RefCell<Option<AnyTask>> = const { RefCell::new(None) };
}

impl Curious {
    fn look(&self) -> usize {
        LOOKED_AT.with_borrow(Clone::clone).map_or(0, |task| task.get_stack().len())
    }
}

impl fmt::Debug for Curious {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Curious({})", self.look())
    }
}

impl fmt::Display for Curious {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} entries", self.look())
    }
}

impl std::error::Error for Curious {}

#[test]
fn an_error_may_look_at_its_task_while_it_is_printed() {
    run(|| {
        let task = ended(coroutine(|| -> Result<()> { raise!(Curious) }))?;
        LOOKED_AT.set(Some(task.any_task()));
        let text = lines(&task.get_stack());
        LOOKED_AT.set(None);
        assert!(text[0].contains("exception=Curious(2)"), "{text:?}");
        assert_eq!(text[3..], ["Curious: 2 entries"]);
        task.exception()?;
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_stack_is_that_of_the_moment_it_was_taken() {
    run(|| {
        let egg = create_task(boil());
        let before = egg.get_stack();
        wait([&egg]).co_await()?;
        assert_eq!((before.len(), egg.get_stack().len()), (1, 0));
        assert!(before.to_string().starts_with("Stack for <Task finished "));
        for frame in &before {
            assert_eq!(frame.name(), Some("boil"));
        }
        assert_eq!(before.into_iter().next().unwrap().place(), egg.get_coro().place());
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_stack_is_printed_to_standard_error() {
    let child = in_child("a_stack_is_printed_to_standard_error", || {
        run(|| {
            let egg = named("egg", boil());
            egg.print_stack();
            me().print_stack();
            egg.cancel();
            wait([&egg]).co_await()?;
            egg.print_stack();
            let burnt = ended(burn())?;
            burnt.print_stack();
            burnt.exception()?;
            Ok(())
        })
        .unwrap();
    });
    let Some(output) = child else { return };
    assert_well(&output);
    let text = stderr(&output);
    let heads = |head| text.lines().filter(|line| line.starts_with(head)).count();
    assert_eq!((heads("Stack for "), heads("No stack for "), heads("Traceback for ")), (2, 1, 1), "{text}");
    assert_eq!(heads("  File \"tests/task_stack.rs\", line "), 1 + 1 + 2, "{text}");
    assert!(text.ends_with("ValueError: burnt\n"), "{text}");
}
