//! Done callbacks: order, removal, those added late, in callbacks, to tasks; with waiters in between.

use crate::harness::{KeyError, args, repr, run, show, trace};
use coro_core::{AnyTask, CallbackId, Future, prelude::*, wait};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

type Settle = fn(&Future<&'static str>) -> Result<()>;

fn say<T: 'static>(text: &'static str) -> impl FnOnce(Future<T>) + 'static {
    move |f| trace!("{text} {}", f.done())
}

async_fn! {
    async fn awaits(name: &'static str, future: Future<u32>) {
        match try_await!(&future) {
            Err(e) if e.is_cancelled() => trace!("{name} cancelled"),
            other => {
                other?;
                trace!("{name} woken");
            }
        }
    }

    async fn nothing() {
        trace!("task runs");
    }

    async fn main() {
        let future = Future::new();
        future.add_done_callback(say("first"));
        create_task(awaits("waiter", future.clone()));
        await!(sleep(secs(0)));
        future.add_done_callback(say("second"));
        let gone = future.add_done_callback(say("gone"));
        trace!("removed {} {}", future.remove_done_callback(gone), future.remove_done_callback(gone));
        future.set_result(1)?;
        trace!("set");
        let late = future.add_done_callback(say("late"));
        trace!("removed too late {}", future.remove_done_callback(late));
        await!(sleep(secs(0)));
        trace!("a round");
        await!(sleep(secs(0)));
        // Added by a callback; removed by a callback of the same round.
        let future = Future::<u32>::new();
        let victim: Rc<Cell<Option<CallbackId>>> = Rc::default();
        let remove = Rc::clone(&victim);
        future.add_done_callback(|f| {
            trace!("adds");
            f.add_done_callback(say("added"));
        });
        future.add_done_callback(move |f| {
            trace!("removes {}", remove.get().map_or(9, |id| f.remove_done_callback(id)));
        });
        victim.set(Some(future.add_done_callback(say("victim"))));
        future.cancel();
        for i in 0..3 {
            await!(sleep(secs(0)));
            trace!("round {i}");
        }
        // To a task, before it runs and after its end.
        let task = create_task(nothing());
        task.add_done_callback(|t| trace!("of the task {}", t.done()));
        await!(&task);
        trace!("awaited");
        task.add_done_callback(|t| trace!("of the ended task {}", t.done()));
        await!(sleep(secs(0)));
        // A callback that cancels who waits for the same future.
        let waiter: Rc<RefCell<Option<AnyTask>>> = Rc::default();
        let cancels = |waiter: &Rc<RefCell<Option<AnyTask>>>| {
            let waiter = Rc::clone(waiter);
            move |_: Future<u32>| { waiter.borrow().as_ref().map(AnyTask::cancel); }
        };
        for name in ["before", "after"] {
            let future = Future::new();
            if name == "before" {
                future.add_done_callback(cancels(&waiter));
            }
            let task = create_task(awaits(name, future.clone()));
            waiter.replace(Some(task.any_task()));
            await!(sleep(secs(0)));
            if name == "after" {
                future.add_done_callback(cancels(&waiter));
            }
            future.set_result(0)?;
            await!(wait([task]));
        }
        // Results in callbacks.
        let settles: [Settle; 3] =
            [|f| f.set_result("r"), |f| f.set_exception(KeyError::new("k")), |f| {
                f.cancel_with("m");
                Ok(())
            }];
        for settle in settles {
            let future = Future::new();
            future.add_done_callback(|f| match f.exception() {
                Err(e) if e.is_cancelled() => trace!("cancelled {}", args(&e)),
                exception => match exception.ok().flatten() {
                    Some(e) => trace!("{} {}", show(&e), repr(&e).replace("KeyError(", "").replace(')', "")),
                    None => trace!("None {}", f.result().unwrap_or_default()),
                },
            });
            settle(&future)?;
            await!(sleep(secs(0)));
        }
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
