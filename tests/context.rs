//! Contexts: which set of values is in force, whoever asks for it and when.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use coro_core::{Awaited, Context, ContextVar, EventLoop, RunBuilder, TaskBuilder, prelude::*, suspend};

static USER: ContextVar<&str> = ContextVar::with_default("user", || "nobody");

fn user() -> &'static str {
    USER.get().unwrap()
}

#[coro_core::test]
async fn a_task_begins_with_what_was_set_when_it_was_made() -> Result<()> {
    USER.set("ada");
    let task = create_task(coroutine(|| Ok(user())));
    USER.set("grace");
    assert_eq!(task.co_await()?, "ada");
    // Also with what `Context::run` has put in force.
    let context = Context::new();
    let task = context.run(|| {
        USER.set("joan");
        create_task(coroutine(|| Ok(user())))
    });
    assert_eq!((task.co_await()?, user()), ("joan", "grace"));
    // And so on, through tasks that never looked at their own.
    let nested = create_task(coroutine(|| create_task(coroutine(|| Ok(user()))).co_await()));
    assert_eq!(nested.co_await()?, "grace");
    Ok(())
}

#[coro_core::test]
async fn the_context_of_a_task_is_one_set_whenever_it_is_asked_for() -> Result<()> {
    let task = create_task(coroutine(|| {
        USER.set("ada");
        suspend(Awaited::Yield)?;
        Ok((user(), Context::current()))
    }));
    let before = task.get_context();
    assert_eq!(before.get(&USER), None);
    let future = task.future();
    let ((seen, own), after) = (future.co_await()?, task.get_context());
    assert_eq!((seen, before.get(&USER)), ("ada", Some("ada")));
    assert!(before.same(&after) && before.same(&own));
    assert!(!before.same(&Context::current()));
    // One that was given is that very set.
    let given = Context::new();
    let task = TaskBuilder::new().context(&given).create(coroutine(|| Ok(Context::current())));
    assert!(task.get_context().same(&given));
    assert!(task.co_await()?.same(&given));
    Ok(())
}

#[coro_core::test]
async fn a_task_suspended_in_a_context_is_alone_in_it() -> Result<()> {
    USER.set("main");
    let seen = Rc::new(RefCell::new(Vec::new()));
    let work = |name: &'static str| {
        let seen = Rc::clone(&seen);
        coroutine(move || {
            let context = Context::new();
            let result = context.run(|| {
                USER.set(name);
                suspend(Awaited::Yield)?;
                seen.borrow_mut().push((name, user()));
                suspend(Awaited::Yield)
            });
            result?;
            seen.borrow_mut().push((name, user()));
            Ok(context.get(&USER))
        })
    };
    let (one, two) = gather((work("one"), work("two"))).co_await()?;
    assert_eq!((one, two, user()), (Some("one"), Some("two"), "main"));
    let mut seen = seen.borrow().clone();
    seen.sort_unstable();
    assert_eq!(seen, [("one", "main"), ("one", "one"), ("two", "main"), ("two", "two")]);
    Ok(())
}

#[coro_core::test]
async fn a_callback_runs_in_a_copy() -> Result<()> {
    USER.set("ada");
    let seen = Rc::new(RefCell::new(Vec::new()));
    let told = Rc::clone(&seen);
    get_running_loop()?.call_soon(move || {
        told.borrow_mut().push(user());
        USER.set("callback");
        told.borrow_mut().push(user());
    });
    USER.set("grace");
    suspend(Awaited::Yield)?;
    assert_eq!((seen.borrow().as_slice(), user()), (&["ada", "callback"][..], "grace"));
    Ok(())
}

#[coro_core::test]
async fn a_panic_in_a_context_leaves_nothing_in_force() -> Result<()> {
    USER.set("main");
    let task = create_task(coroutine(|| -> Result<()> {
        Context::new().run(|| {
            USER.set("doomed");
            suspend(Awaited::Yield).unwrap();
            panic!("on purpose");
        })
    }));
    assert!(task.co_await().unwrap_err().is::<coro_core::Panicked>());
    assert_eq!(user(), "main");
    assert_eq!(create_task(coroutine(|| Ok(user()))).co_await()?, "main");
    Ok(())
}

#[test]
fn outside_of_tasks_the_thread_has_its_own() {
    USER.set("thread");
    let event_loop = EventLoop::new().unwrap();
    let seen = event_loop.run_until_complete(coroutine(|| {
        let seen = user();
        USER.set("task");
        Ok(seen)
    }));
    assert_eq!((seen.unwrap(), user()), ("thread", "thread"));
    // What runs nested has a copy, and the outer one finds its own again.
    let inner = || {
        USER.set("outer");
        let inner = coro_core::run_nested(coroutine(|| {
            let seen = user();
            USER.set("inner");
            Ok(seen)
        }));
        Ok((inner?, user()))
    };
    assert_eq!(RunBuilder::new().run(coroutine(inner)).unwrap(), ("outer", "outer"));
    assert_eq!(user(), "thread");
}

/// Looks at the present context when it is dropped.
#[derive(Clone)]
struct Nosy(Arc<Mutex<Vec<&'static str>>>);

impl Drop for Nosy {
    fn drop(&mut self) {
        self.0.lock().unwrap().push(user());
        USER.set("left behind");
    }
}

#[test]
fn a_value_that_looks_while_its_context_goes_finds_one_in_force() {
    static NOSY: ContextVar<Nosy> = ContextVar::new("nosy");
    let seen = Arc::new(Mutex::new(Vec::new()));
    let nosy = Nosy(Arc::clone(&seen));
    RunBuilder::new()
        .virtual_clock()
        .run(coroutine(move || {
            create_task(coroutine(move || {
                USER.set("task");
                NOSY.set(nosy);
                Ok(())
            }))
            .co_await()?;
            // Whoever drops the task drops its context, and is asked in its place.
            assert_eq!(user(), "left behind");
            Ok(())
        }))
        .unwrap();
    assert_eq!(*seen.lock().unwrap(), ["nobody"]);
}

#[test]
fn a_task_that_is_destroyed_is_in_its_context_to_the_end() {
    struct Told(Rc<RefCell<Vec<&'static str>>>);
    impl Drop for Told {
        fn drop(&mut self) {
            self.0.borrow_mut().push(user());
        }
    }
    let seen = Rc::new(RefCell::new(Vec::new()));
    let event_loop = EventLoop::new().unwrap();
    for inside in [false, true] {
        let told = Told(Rc::clone(&seen));
        let stays = move || {
            USER.set("own");
            let _told = told;
            suspend(Awaited::Future(coro_core::Future::<u32>::new().any())).map(drop)
        };
        event_loop.create_task(coroutine(move || match inside {
            true => Context::new().run(stays),
            false => stays(),
        }));
    }
    event_loop.run_until_complete(sleep(Duration::ZERO)).unwrap();
    event_loop.close().unwrap();
    assert_eq!(*seen.borrow(), ["own", "own"]);
    assert_eq!(user(), "nobody");
}

#[test]
fn at_the_end_of_a_thread_there_is_an_empty_one() {
    struct Late(std::sync::mpsc::Sender<&'static str>);
    impl Drop for Late {
        fn drop(&mut self) {
            let _ = self.0.send(user());
            USER.set("too late");
        }
    }
    thread_local!(static LATE: RefCell<Option<Late>> = const { RefCell::new(None) });
    let (said, heard) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        LATE.set(Some(Late(said))); // made first: it goes last
        USER.set("thread");
        assert_eq!(RunBuilder::new().run(coroutine(|| Ok(user()))).unwrap(), "thread");
    });
    thread.join().unwrap();
    assert!(["nobody", "thread"].contains(&heard.recv().unwrap()));
}
