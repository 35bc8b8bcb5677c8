//! Call graphs: who waits for whom, and how that is printed.

mod common;

use std::cell::RefCell;
use std::rc::Rc;

use common::{event_loop, run};
use coro_core::prelude::*;
use coro_core::{
    AsFuture, Awaited, FutureCallGraph, RuntimeError, Step, TaskBuilder, capture_call_graph, current_task,
    format_call_graph, future_add_to_awaited_by, future_discard_from_awaited_by, print_call_graph, race,
    suspend, wait,
};

type Future<T = ()> = coro_core::Future<T>;

async_fn! {
    async fn boil() { await!(sleep(secs(1))) }
    async fn cook(egg: Future) { await!(egg) }
}

fn of(future: &dyn AsFuture) -> FutureCallGraph {
    capture_call_graph(Some(future)).unwrap().unwrap()
}

/// The names of a graph: `egg <- cook <- [ada, bob]`.
fn names(graph: &FutureCallGraph) -> String {
    let name = graph.future().task_name().unwrap_or_else(|| "future".to_owned());
    let mut waiting: Vec<String> = graph.awaited_by().iter().map(names).collect();
    waiting.sort(); // the order is that in which the tasks ran
    match &*waiting {
        [] => name,
        [one] => format!("{name} <- {one}"),
        several => format!("{name} <- [{}]", several.join(", ")),
    }
}

/// The text of a graph, without the addresses.
fn text(graph: &FutureCallGraph) -> String {
    let without_id = |line: &str| match line.split_once("id=0x") {
        Some((start, _)) => format!("{start}id=…)"),
        None => line.to_owned(),
    };
    graph.to_string().lines().map(without_id).collect::<Vec<_>>().join("\n")
}

fn task<T: 'static>(name: &str, awaitable: impl Awaitable<Output = T> + 'static) -> Task<T> {
    TaskBuilder::new().name(name).create(awaitable)
}

/// Runs `f` in a task that is called `main`.
fn in_main(f: impl FnOnce() -> Result<()> + 'static) {
    let named = || {
        current_task().unwrap().set_name("main");
        f()
    };
    run(named).unwrap();
}

/// Lets all others run until they wait.
fn settle() -> Result<()> {
    sleep(millis(1)).co_await()
}

type Seen = Rc<RefCell<String>>;

/// A task called `egg`, and what it sees of its own graph after a while.
fn egg() -> (Task<()>, Seen) {
    let seen = Seen::default();
    let body = {
        let seen = seen.clone();
        move || {
            sleep(millis(10)).co_await()?;
            *seen.borrow_mut() = names(&capture_call_graph(None)?.unwrap());
            Ok(())
        }
    };
    (task("egg", coroutine(body)), seen)
}

/// What the egg sees while `main` does this with it.
#[track_caller]
fn sees<T>(expected: &'static str, with_egg: impl FnOnce(Task<()>) -> Result<T> + 'static) {
    in_main(move || {
        let (egg, seen) = egg();
        with_egg(egg)?;
        assert_eq!(*seen.borrow(), expected);
        Ok(())
    });
}

#[test]
fn a_chain_of_awaits_is_followed_to_its_end() {
    sees("egg <- cook <- waiter <- main", |egg| {
        let cook = task("cook", egg);
        let waiter = task("waiter", cook);
        waiter.co_await()
    });
}

#[test]
fn two_tasks_wait_for_one() {
    in_main(|| {
        let egg = task("egg", boil());
        task("ada", egg.future());
        task("bob", egg.future());
        settle()?;
        assert_eq!(names(&of(&egg)), "egg <- [ada, bob]");
        Ok(())
    });
}

#[test]
fn a_gather_waits_for_its_children() {
    sees("egg <- main", |egg| gather((egg, sleep(secs(1)))).co_await());
    sees("egg <- main", |egg| gather([gather([gather([egg])])]).co_await());
    sees("egg <- main", |egg| gather([egg.future(), egg.future()]).co_await()); // once
}

#[test]
fn a_gather_that_nobody_awaits_waits_for_nobody() {
    sees("egg", |egg| {
        let gathered = gather([egg]);
        sleep(secs(1)).co_await()?;
        gathered.co_await()
    });
}

#[test]
fn a_wait_waits_for_its_tasks_as_long_as_it_lasts() {
    sees("egg <- main", |egg| wait([&egg]).timeout(secs(1)).co_await().map(drop));
    sees("egg", |egg| {
        wait([&egg]).timeout(millis(1)).co_await()?;
        sleep(secs(1)).co_await()
    });
}

#[test]
fn a_race_waits_for_its_runners() {
    sees("egg <- main", |egg| race([egg]).co_await());
}

#[test]
fn a_limit_is_awaited_by_the_task_of_its_caller() {
    sees("egg <- main", |egg| wait_for(egg, secs(1)).co_await());
    sees("egg <- main", |egg| timeout(secs(1), || egg.co_await()));
}

#[test]
fn a_limit_of_zero_waits_for_what_it_has_cancelled() {
    in_main(|| {
        let seen = Seen::default();
        let stubborn = {
            let seen = seen.clone();
            move || {
                let cancelled = sleep(secs(1)).co_await();
                *seen.borrow_mut() = names(&capture_call_graph(None)?.unwrap());
                cancelled
            }
        };
        let egg = task("egg", coroutine(stubborn));
        settle()?;
        assert!(wait_for(egg, Duration::ZERO).co_await().unwrap_err().is_timeout());
        assert_eq!(*seen.borrow(), "egg <- main");
        Ok(())
    });
}

#[test]
fn a_group_waits_for_its_children_also_while_its_block_runs() {
    in_main(|| {
        TaskGroup::scope(|group| {
            let egg = group.create_task(boil()).any_task();
            egg.set_name("egg");
            assert_eq!(names(&of(&egg)), "egg <- main");
            group.create_task(coroutine(move || {
                settle()?;
                assert_eq!(names(&of(&egg)), "egg <- main"); // which is leaving the block
                Ok(())
            }));
            Ok(())
        })
    });
}

#[test]
fn a_shield_waits_for_what_it_protects_as_long_as_it_is_awaited() {
    sees("egg <- main", |egg| shield(egg).co_await());
    sees("egg", |egg| {
        let outer = task("outer", coroutine(move || shield(egg).co_await()));
        settle()?;
        outer.cancel();
        sleep(secs(1)).co_await()
    });
}

#[test]
fn a_std_future_waits_for_what_is_awaited_in_it() {
    sees("egg <- main", |egg| async { egg.await }.co_await()?);
    sees("egg <- stackless <- main", |egg| task("stackless", async { egg.await }).co_await()?);
    sees("egg <- main", |egg| async { gather([egg]).await }.co_await()?);
}

#[test]
fn who_sleeps_waits_for_no_task() {
    sees("egg", |_egg| sleep(secs(1)).co_await());
}

#[test]
fn a_future_that_is_no_task_has_no_calls() {
    in_main(|| {
        let future = Future::<u32>::new();
        assert_eq!(names(&of(&future)), "future");
        task("cook", future.clone());
        settle()?;
        let graph = of(&future);
        assert_eq!(names(&graph), "future <- cook");
        assert!(graph.call_stack().is_empty());
        assert!(text(&graph).starts_with("* Future(id=…)\n  + Awaited by:\n    * Task(name='cook', id=…)"));
        Ok(())
    });
}

#[test]
fn a_wait_without_a_result_has_waiters_as_well() {
    in_main(|| {
        let mut nap = coroutine(|| sleep(secs(1)).co_await());
        let Step::Suspended(Awaited::Future(wait)) = nap.send(None)? else { panic!("it sleeps") };
        assert_eq!(names(&of(&wait)), "future");
        for name in ["ada", "bob"] {
            let wait = wait.clone();
            task(name, coroutine(move || suspend(Awaited::Future(wait)).map(drop)));
        }
        settle()?;
        assert_eq!(names(&of(&wait)), "future <- [ada, bob]");
        sleep(secs(1)).co_await()?;
        assert!(wait.done() && of(&wait).awaited_by().is_empty());
        nap.close()
    });
}

#[test]
fn the_current_task_knows_where_it_was_asked() {
    in_main(|| {
        let line = line!() + 1;
        let graph = capture_call_graph(None)?.unwrap();
        let [here, coro] = graph.call_stack() else { panic!("{graph:?}") };
        assert_eq!((here.name(), here.place()), (None, (file!(), line)));
        let me = current_task().unwrap();
        assert_eq!(coro.name(), Some(me.get_coro().name()));
        assert_eq!(of(&me).call_stack().len(), 2); // naming it is the same
        Ok(())
    });
}

#[test]
fn a_task_has_a_coroutine_from_its_making_to_its_end() {
    in_main(|| {
        let egg = task("egg", coroutine(|| Ok(())));
        assert_eq!(of(&egg).call_stack().len(), 1);
        settle()?;
        let graph = of(&egg);
        assert!(graph.call_stack().is_empty() && graph.awaited_by().is_empty());
        assert_eq!(text(&graph), "* Task(name='egg', id=…)");
        Ok(())
    });
}

#[test]
fn a_circle_is_gone_around_once() {
    in_main(|| {
        let ada = task("ada", boil());
        let bob = task("bob", ada.future());
        future_add_to_awaited_by(&bob, &ada);
        settle()?;
        let graph = of(&ada);
        assert_eq!(names(&graph), "ada <- bob <- ada");
        assert_eq!(names(&of(&bob)), "bob <- ada <- bob");
        let text = text(&graph);
        assert!(text.ends_with("+ Awaited by: see above"), "{text}");
        assert_eq!(text.matches("* Task").count(), 3);
        Ok(())
    });
}

#[test]
fn a_future_of_itself_does_not_end_in_a_circle() {
    in_main(|| {
        let future = Future::<()>::new();
        future_add_to_awaited_by(&future, &future);
        assert_eq!(names(&of(&future)), "future <- future");
        Ok(())
    });
}

#[test]
fn who_waits_twice_is_printed_with_its_own_awaiters_once() {
    in_main(|| {
        let (egg, toast) = (task("egg", boil()), task("toast", boil()));
        let breakfast = task("breakfast", gather((egg.future(), toast.future())));
        task("guest", breakfast.future());
        future_add_to_awaited_by(&egg, &toast);
        settle()?;
        let graph = of(&egg);
        assert_eq!(names(&graph), "egg <- [breakfast <- guest, toast <- breakfast <- guest]");
        let text = text(&graph);
        let count = |what| text.matches(what).count();
        assert_eq!((count("'breakfast'"), count("'guest'"), count("see above")), (2, 1, 1), "{text}");
        Ok(())
    });
}

#[test]
fn a_graph_of_many_ways_is_captured_and_printed_in_no_time() {
    in_main(|| {
        // Two in each level, each awaited by both of the next: 2^40 ways from the first to the last.
        let levels: Vec<[Future; 2]> = (0..40).map(|_| [Future::new(), Future::new()]).collect();
        for pair in levels.windows(2) {
            for (below, above) in
                pair[0].iter().flat_map(|below| pair[1].iter().map(move |above| (below, above)))
            {
                future_add_to_awaited_by(below, above);
            }
        }
        let text = text(&of(&levels[0][0]));
        assert!(text.lines().count() < 400);
        Ok(())
    });
}

#[test]
fn a_long_chain_needs_no_stack() {
    in_main(|| {
        let chain: Vec<Future> = (0..100_000).map(|_| Future::new()).collect();
        for pair in chain.windows(2) {
            future_add_to_awaited_by(&pair[0], &pair[1]);
        }
        let graph = of(&chain[0]);
        let mut last = graph.clone();
        let mut length = 1;
        while let Some(next) = last.awaited_by().pop() {
            (last, length) = (next, length + 1);
        }
        assert_eq!(length, chain.len());
        assert!(graph.to_string().ends_with("+ Awaited by: …"));
        Ok(())
    });
}

#[test]
fn the_text_has_the_form_of_cpython() {
    in_main(|| {
        let egg = task("egg", boil());
        let cook = task("cook", cook(egg.future()));
        settle()?;
        let (boil, cook) = (egg.get_coro().place().1, cook.get_coro().place().1);
        assert_eq!(
            text(&of(&egg)),
            format!(
                "* Task(name='egg', id=…)
  + Call stack:
  |   File 'tests/call_graph.rs', line {boil}, in async boil()
  + Awaited by:
    * Task(name='cook', id=…)
      + Call stack:
      |   File 'tests/call_graph.rs', line {cook}, in async cook()"
            )
        );
        Ok(())
    });
}

#[test]
fn a_limit_cuts_each_call_stack() {
    in_main(|| {
        let me = current_task().unwrap();
        let waiter = task("waiter", cook(Future::new()));
        settle()?;
        future_add_to_awaited_by(&me, &waiter);
        let graph = of(&me);
        let names = |limit| {
            let graph = graph.clone().limit(limit);
            let names: Vec<_> = graph.call_stack().iter().map(|entry| entry.name()).collect();
            (names, graph.awaited_by()[0].call_stack().len())
        };
        let (here, coro) = (None, Some(me.get_coro().name()));
        assert_eq!(names(0), (vec![], 0));
        assert_eq!(names(1), (vec![coro], 1)); // the outermost
        assert_eq!(names(-1), (vec![here], 1)); // the innermost
        assert_eq!(names(2), (vec![here, coro], 1));
        assert_eq!(names(-2), names(2));
        assert_eq!((names(isize::MAX), names(isize::MIN)), (names(2), names(2)));
        assert!(text(&graph.limit(0)).starts_with("* Task(name='main', id=…)\n  + Awaited by:"));
        Ok(())
    });
}

#[test]
fn outside_a_loop_a_future_has_to_be_given() {
    let error = capture_call_graph(None).unwrap_err();
    assert!(error.is::<RuntimeError>());
    let message = "capture_call_graph() is called outside of a running event loop and no *future* to introspect was \
                   provided";
    assert_eq!(error.to_string(), message);
    assert!(format_call_graph(None).is_err() && print_call_graph(None).is_err());

    let event_loop = event_loop();
    let egg = event_loop.create_task(boil());
    egg.set_name("egg");
    event_loop.create_task(egg.future()).set_name("cook");
    event_loop.run_until_complete(sleep(millis(1))).unwrap();
    assert_eq!(names(&of(&egg)), "egg <- cook");
    assert_eq!(names(&of(&Future::<u32>::new())), "future"); // has failed: there is no loop
}

#[test]
fn in_a_callback_there_is_no_graph() {
    in_main(|| {
        let seen = Seen::default();
        get_running_loop()?.call_soon({
            let seen = seen.clone();
            move || {
                assert!(capture_call_graph(None).unwrap().is_none());
                assert_eq!(format_call_graph(None).unwrap(), "");
                print_call_graph(None).unwrap(); // an empty line
                seen.borrow_mut().push_str("called");
            }
        });
        settle()?;
        assert_eq!(*seen.borrow(), "called");
        Ok(())
    });
}

#[test]
fn what_is_recorded_is_a_set() {
    in_main(|| {
        let (future, ada, bob) = (Future::<u32>::new(), task("ada", boil()), task("bob", boil()));
        future_add_to_awaited_by(&future, &ada);
        future_add_to_awaited_by(&future, &ada);
        future_add_to_awaited_by(&future, &bob);
        assert_eq!(names(&of(&future)), "future <- [ada, bob]");
        future_discard_from_awaited_by(&future, &ada);
        future_discard_from_awaited_by(&future, &ada); // nothing
        assert_eq!(names(&of(&future)), "future <- bob");
        future_discard_from_awaited_by(&future, &bob);
        assert_eq!(names(&of(&future)), "future");
        Ok(())
    });
}

#[test]
fn what_is_recorded_of_one_that_awaits_too_is_said_once() {
    in_main(|| {
        let future = Future::<u32>::new();
        let cook = task("cook", future.clone());
        future_add_to_awaited_by(&future, &cook);
        settle()?;
        assert_eq!(names(&of(&future)), "future <- cook");
        Ok(())
    });
}

#[test]
fn what_is_recorded_keeps_nothing_alive() {
    in_main(|| {
        let flag = Rc::new(());
        let future = Future::<u32>::new();
        for _ in 0..1000 {
            let waiter = Future::<u32>::new();
            let held = Rc::clone(&flag);
            waiter.add_done_callback(move |_| drop(held));
            future_add_to_awaited_by(&future, &waiter);
            future_add_to_awaited_by(&waiter, &future);
        }
        assert_eq!(Rc::strong_count(&flag), 1);
        assert_eq!(names(&of(&future)), "future");
        Ok(())
    });
}
