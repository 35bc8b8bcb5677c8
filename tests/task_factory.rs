//! Task factories: what they see and change, what runs around a task, and factories that misbehave.

mod common;

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use common::{
    Log, Moment, at_each_moment, direct, ended, event_loop, next_round, quiet_panics, reported, run,
};
use coro_core::prelude::*;
use coro_core::{Context, ContextVar, RunBuilder, Runner, TaskBuilder, eager_task_factory, ensure_future};

async_fn! {
    async fn boil() -> u32 { 6 }
}

#[test]
fn every_way_to_make_a_task_asks_the_factory() {
    let log = Log::new();
    run(|| {
        let seen = log.clone();
        get_running_loop()?.set_task_factory(move |event_loop, coro, task| {
            assert!(event_loop.is_running());
            seen.push(format!("{} {:?}", coro.name(), task.get_name()));
            task
        });
        create_task(boil()).co_await()?;
        TaskBuilder::new().name("cook").create(boil()).co_await()?;
        ensure_future(boil()).co_await()?;
        gather([boil()]).co_await()?;
        get_running_loop()?.create_task(boil()).co_await()?;
        TaskGroup::scope(|group| {
            group.create_task(boil());
            Ok(())
        })?;
        create_task(async { 6 }).co_await()?;
        get_running_loop()?.reset_task_factory();
        create_task(boil()).co_await().map(drop)
    })
    .unwrap();
    let said = log.take();
    assert_eq!(said.len(), 7, "{said:?}");
    assert_eq!(said.iter().filter(|line| line.starts_with("boil")).count(), 6, "{said:?}");
    assert_eq!(said[1], "boil Some(\"cook\")");
}

#[test]
fn the_main_task_of_a_runner_asks_it_too() {
    let log = Log::new();
    let mut runner = Runner::new();
    let seen = log.clone();
    runner.get_loop().unwrap().set_task_factory(move |_, coro, task| {
        seen.push(coro.name());
        task.name("main")
    });
    let name = runner.run(coroutine(|| Ok(coro_core::current_task().unwrap().get_name()))).unwrap();
    assert_eq!(name, "main");
    runner.close().unwrap();
    assert_eq!(log.take()[0], "coroutine");
}

#[test]
fn it_may_give_a_context_and_an_eager_start() {
    static USER: ContextVar<&str> = ContextVar::new("user");
    run(|| {
        let context = Context::new();
        context.run(|| USER.set("ada"));
        get_running_loop()?.set_task_factory(move |event_loop, coro, task| {
            let task = eager_task_factory(event_loop, coro, task);
            if task.get_context().is_some() { task } else { task.context(&context) }
        });
        assert_eq!(create_task(coroutine(|| USER.get())).result()?, "ada"); // done at once
        let own = TaskBuilder::new().context(&Context::new()).eager_start(false);
        let late = own.create(coroutine(|| Ok(USER.get().is_ok())));
        assert!(!late.done(), "the caller said so");
        assert!(!late.co_await()?);
        Ok(())
    })
    .unwrap();
}

#[test]
fn what_is_around_a_task_runs_as_that_task_outermost_last() {
    let log = Log::new();
    run(|| {
        let around = |name: &'static str| {
            let log = log.clone();
            move |body: &mut dyn FnMut() -> Result<()>| {
                sleep(millis(1)).co_await()?;
                log.push(format!("{name} of {} begins", coro_core::current_task().unwrap().get_name()));
                let result = body();
                log.push(format!("{name} ends: {}", result.is_ok()));
                result
            }
        };
        let builder = || TaskBuilder::new().name("egg").around(around("inner")).around(around("outer"));
        assert_eq!(builder().create(boil()).co_await()?, 6);
        let burnt = builder().create(coroutine(|| Err::<(), _>(Error::msg("burnt"))));
        assert_eq!(burnt.co_await().unwrap_err().to_string(), "burnt");
        Ok(())
    })
    .unwrap();
    let begins = ["outer of egg begins", "inner of egg begins"];
    let both = [true, false].map(|ok| {
        let ends = [format!("inner ends: {ok}"), format!("outer ends: {ok}")];
        begins.map(str::to_owned).into_iter().chain(ends).collect::<Vec<_>>()
    });
    assert_eq!(log.take(), both.concat());
}

#[test]
fn what_is_around_a_task_can_raise_but_neither_swallow_nor_skip_nor_repeat() {
    run(|| {
        let failing = || coroutine(|| Err::<u32, _>(Error::msg("burnt")));
        let raising = TaskBuilder::new()
            .around(|body| {
                body()?;
                raise!("sour")
            })
            .create(boil());
        assert_eq!(raising.co_await().unwrap_err().to_string(), "sour");
        let swallowing = TaskBuilder::new()
            .around(|body| {
                drop(body());
                Ok(())
            })
            .create(failing());
        assert_eq!(swallowing.co_await().unwrap_err().to_string(), "burnt");
        let again = TaskBuilder::new()
            .around(|body| {
                body()?;
                body()
            })
            .create(boil());
        assert_eq!(again.co_await().unwrap_err().to_string(), "the body of a task runs once");
        Ok(())
    })
    .unwrap();
    let ((), reports) = reported(|| {
        run(|| {
            let skipping = TaskBuilder::new().around(|_| Ok(())).create(boil());
            let error = skipping.co_await().unwrap_err();
            assert_eq!(error.to_string(), "what was put around a task did not run it");
            Ok(())
        })
        .unwrap();
    });
    assert!(reports.is_empty(), "the error says it: {reports:?}");
}

#[test]
fn a_cancellation_reaches_body_and_wrapper_at_each_moment() {
    at_each_moment(|at: Moment| {
        let open = Rc::new(Cell::new(0));
        let (inside, began) = (open.clone(), open.clone());
        let victim = TaskBuilder::new()
            .around(move |body| {
                next_round()?;
                began.set(began.get() + 1);
                let result = body();
                began.set(began.get() - 1);
                next_round().and(result)
            })
            .create(coroutine(move || {
                inside.set(inside.get() + 1);
                let result = next_round();
                inside.set(inside.get() - 1);
                result
            }));
        direct(&victim.any_task(), at, |_| ())?;
        ended(victim.co_await());
        assert_eq!(open.get(), 0);
        Ok(())
    });
}

#[test]
fn children_that_borrow_may_be_wrapped_too() {
    let text = String::from("egg");
    let length = run(|| {
        get_running_loop()?.set_task_factory(|_, _, task| {
            task.around(|body| {
                next_round()?;
                body()
            })
        });
        let length = Cell::new(0);
        TaskGroup::scope(|group| {
            group.create_task(coroutine(|| {
                next_round()?;
                length.set(text.len());
                Ok(())
            }));
            Ok(())
        })?;
        // One that is cancelled before it begins, and one whose wrapper never calls it.
        get_running_loop()?.set_task_factory(|_, _, task| task.around(|_| Ok(())));
        let skipped = TaskGroup::scope(|group| {
            group.create_task(coroutine(|| {
                length.set(text.len() + 1);
                Ok(())
            }));
            Ok(())
        });
        assert!(skipped.is_err());
        Ok(length.get())
    });
    assert_eq!(length.unwrap(), 3);
}

#[test]
fn a_factory_that_panics_does_so_in_the_one_who_creates_and_can_be_replaced() {
    quiet_panics();
    let ((), reports) = reported(|| {
        run(|| {
            let event_loop = get_running_loop()?;
            event_loop.set_task_factory(|_, _, _| panic!("meant: factory"));
            for _ in 0..2 {
                assert!(catch_unwind(AssertUnwindSafe(|| create_task(boil()))).is_err());
            }
            event_loop.reset_task_factory();
            assert_eq!(create_task(boil()).co_await()?, 6);
            Ok(())
        })
        .unwrap();
    });
    assert_eq!(reports, ["coroutine 'boil' was never awaited"; 2]);
}

#[test]
fn a_factory_cannot_await_and_may_create_tasks_and_replace_itself() {
    let log = Log::new();
    run(|| {
        let seen = log.clone();
        get_running_loop()?.set_task_factory(move |event_loop, coro, task| {
            seen.push(coro.name());
            assert_eq!(next_round().unwrap_err().to_string(), "cannot await in a task factory");
            create_task(coroutine(|| Ok(()))); // is made without it
            event_loop.set_task_factory(|_, _, task| task.name("by the second"));
            task.name("by the first")
        });
        assert_eq!(create_task(boil()).get_name(), "by the first");
        assert_eq!(create_task(boil()).get_name(), "by the second");
        next_round()
    })
    .unwrap();
    assert_eq!(log.take(), ["boil"]);
}

#[test]
fn a_factory_whose_destructor_calls_back_in_is_dropped_with_its_loop() {
    struct OnDrop(Rc<RefCell<Option<coro_core::EventLoop>>>, Log);
    impl Drop for OnDrop {
        fn drop(&mut self) {
            let event_loop = self.0.take();
            self.1
                .push(format!("{:?}", event_loop.map(|event_loop| event_loop.get_task_factory().is_some())));
        }
    }
    let (log, event_loop) = (Log::new(), event_loop());
    for end in 0..3 {
        let kept = OnDrop(Rc::new(RefCell::new(Some(event_loop.clone()))), log.clone());
        event_loop.set_task_factory(move |_, _, task| {
            let _ = &kept;
            task
        });
        match end {
            0 => event_loop.set_task_factory(eager_task_factory),
            1 => event_loop.reset_task_factory(),
            _ => event_loop.close().unwrap(),
        }
    }
    assert_eq!(log.take(), ["Some(true)", "Some(false)", "Some(false)"]);
}

#[test]
fn an_eager_factory_is_as_eager_tasks() {
    RunBuilder::new()
        .virtual_clock()
        .run(coroutine(|| {
            get_running_loop()?.set_task_factory(eager_task_factory);
            assert!(create_task(boil()).done());
            assert!(!TaskBuilder::new().eager_start(false).create(boil()).done());
            next_round()
        }))
        .unwrap();
}
