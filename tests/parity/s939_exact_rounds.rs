//! How many rounds of the loop each operation takes, when it need not wait and when it does.

use crate::harness::{python_name, run, trace};
use coro_core::{Barrier, Condition, Future, Queue, ValueError, as_completed, prelude::*, timeout, wait};
use std::cell::Cell;
use std::rc::Rc;

/// Counts the rounds of the loop while it is on.
#[derive(Clone, Default)]
struct Ticker {
    n: Rc<Cell<u32>>,
    off: Rc<Cell<bool>>,
}

impl Ticker {
    fn tick(self) {
        let Ok(event_loop) = get_running_loop() else { return };
        self.n.set(self.n.get() + 1);
        if !self.off.get() {
            event_loop.call_soon(|| self.tick());
        }
    }
}

async_fn! {
    async fn count(name: String, what: impl Awaitable) {
        let ticker = Ticker::default();
        let started = ticker.clone();
        get_running_loop()?.call_soon(|| started.tick());
        await!(sleep(secs(0)));
        let start = ticker.n.get();
        let result = match try_await!(what) {
            Ok(_) => "ok",
            Err(e) => python_name(e.type_name()),
        };
        trace!("{name} {} {result}", ticker.n.get() - start);
        ticker.off.set(true);
        await!(sleep(secs(0)));
    }

    async fn nothing() {}

    async fn one_round() {
        await!(sleep(secs(0)));
    }

    async fn fails() {
        raise!(ValueError::new("v"));
    }

    async fn awaits<A: Awaitable<Output: 'static> + 'static>(what: A) -> A::Output {
        await!(what)
    }

    async fn group(all: Vec<BoxCoroutine<()>>) {
        async with TaskGroup::new() as tg {
            for each in all {
                tg.create_task(each);
            }
        }
    }

    async fn limited(what: BoxCoroutine<()>) {
        timeout(secs(10), || what.co_await())?;
    }

    async fn take_lock() {
        async with &Lock::new(()) {}
    }

    async fn take_semaphore() {
        async with &Semaphore::new(1) {}
    }

    async fn hand_lock_over() {
        let lock: &'static Lock<()> = Box::leak(Box::new(Lock::new(())));
        let guard = await!(lock.lock());
        get_running_loop()?.call_soon(move || drop(guard));
        drop(await!(lock.lock()));
    }

    async fn hand_semaphore_over() {
        let semaphore: &'static Semaphore = Box::leak(Box::new(Semaphore::new(1)));
        let permit = await!(semaphore.acquire());
        get_running_loop()?.call_soon(move || drop(permit));
        drop(await!(semaphore.acquire()));
    }

    async fn notifies(cond: Rc<Condition<()>>) {
        async with &*cond as guard {
            guard.notify(1);
        }
    }

    async fn notified() {
        let cond = Rc::new(Condition::new(()));
        async with &*cond as mut guard {
            create_task(notifies(Rc::clone(&cond)));
            await!(guard.wait());
        }
    }

    async fn queue_get(ready: bool) {
        let queue = Rc::new(Queue::unbounded());
        let used = Rc::clone(&queue);
        now_or_soon(ready, move || used.put_nowait(1).expect("there is room"))?;
        await!(queue.get());
    }

    async fn queue_put(ready: bool) {
        let queue = Rc::new(Queue::bounded(1));
        if !ready {
            queue.put_nowait(0)?;
            let used = Rc::clone(&queue);
            now_or_soon(false, move || drop(used.get_nowait()))?;
        }
        await!(queue.put(1));
    }

    async fn queue_join(ready: bool) {
        let queue = Rc::new(Queue::unbounded());
        if !ready {
            queue.put_nowait(0)?;
            let used = Rc::clone(&queue);
            now_or_soon(false, move || used.task_done().expect("there is one"))?;
        }
        await!(queue.join());
    }

    async fn event_wait(ready: bool) {
        let event = Rc::new(Event::new());
        let used = Rc::clone(&event);
        now_or_soon(ready, move || used.set())?;
        await!(event.wait());
    }

    async fn meets(barrier: Rc<Barrier>) {
        await!(barrier.wait());
    }

    async fn barrier(parties: usize) {
        let barrier = Rc::new(Barrier::new(parties)?);
        for _ in 1..parties {
            create_task(meets(Rc::clone(&barrier)));
        }
        await!(barrier.wait());
    }

    async fn by_as_completed(all: Vec<BoxCoroutine<()>>) {
        for nearest in as_completed(all) {
            await!(nearest);
        }
    }

    async fn cancelled<A: Awaitable<Output: 'static> + 'static>(what: A) -> A::Output {
        let task = create_task(what);
        task.cancel();
        await!(task)
    }

    async fn cancelled_later<A: Awaitable<Output: 'static> + 'static>(what: A) -> A::Output {
        let task = create_task(what);
        await!(sleep(secs(0)));
        task.cancel();
        await!(task)
    }
}

fn now_or_soon(now: bool, f: impl FnOnce() + 'static) -> Result<()> {
    match now {
        true => f(),
        false => drop(get_running_loop()?.call_soon(f)),
    }
    Ok(())
}

fn done_future() -> Future<()> {
    let future = Future::new();
    future.set_result(()).expect("it is pending");
    future
}

fn soon_future() -> Future<()> {
    let future = Future::new();
    let set = future.clone();
    now_or_soon(false, move || drop(set.set_result(()))).expect("a loop runs");
    future
}

async_fn! {
    async fn main() {
        await!(count("nothing".into(), nothing()));
        await!(count("sleep 0".into(), sleep(secs(0))));
        await!(count("done future".into(), awaits(done_future())));
        await!(count("future set soon".into(), awaits(soon_future())));
        await!(count("task".into(), create_task(nothing())));
        await!(count("task of a round".into(), create_task(one_round())));
        await!(count("task that fails".into(), create_task(fails())));
        await!(count("gather of none".into(), gather(Vec::<Future<()>>::new())));
        await!(count("gather of done".into(), gather([done_future(), done_future()])));
        await!(count("gather of coroutines".into(), gather((nothing(), one_round()))));
        await!(count("gather with a failure".into(), gather((fails(), one_round()))));
        await!(count("wait of done".into(), wait([done_future()])));
        await!(count("wait of soon".into(), wait([soon_future()])));
        await!(count("wait_for of done".into(), wait_for(done_future(), secs(10))));
        await!(count("wait_for of a coroutine".into(), wait_for(nothing(), secs(10))));
        await!(count("wait_for of a round".into(), wait_for(one_round(), secs(10))));
        await!(count("wait_for without time".into(), wait_for(one_round(), secs(0))));
        await!(count("wait_for without time, done".into(), wait_for(done_future(), secs(0))));
        await!(count("wait_for without limit".into(), wait_for(one_round(), Duration::MAX)));
        await!(count("shield of done".into(), shield(done_future())));
        await!(count("shield of a coroutine".into(), shield(nothing())));
        await!(count("timeout".into(), limited(one_round().boxed())));
        await!(count("empty group".into(), group(vec![])));
        await!(count("group of one".into(), group(vec![nothing().boxed()])));
        await!(count("group of two".into(), group(vec![nothing().boxed(), one_round().boxed()])));
        await!(count("group that fails".into(), group(vec![fails().boxed(), one_round().boxed()])));
        await!(count("as_completed".into(), by_as_completed(vec![one_round().boxed()])));
        await!(count("lock".into(), take_lock()));
        await!(count("lock handed over".into(), hand_lock_over()));
        await!(count("semaphore".into(), take_semaphore()));
        await!(count("semaphore handed over".into(), hand_semaphore_over()));
        await!(count("condition".into(), notified()));
        for ready in [true, false] {
            await!(count(format!("get {ready}"), queue_get(ready)));
            await!(count(format!("put {ready}"), queue_put(ready)));
            await!(count(format!("join {ready}"), queue_join(ready)));
            await!(count(format!("event {ready}"), event_wait(ready)));
        }
        for parties in [1, 2, 3] {
            await!(count(format!("barrier of {parties}"), barrier(parties)));
        }
        await!(count("cancelled before it starts".into(), cancelled(one_round())));
        await!(count("cancelled in a sleep".into(), cancelled_later(sleep(secs(10)))));
        await!(count("cancelled in a gather".into(), cancelled_later(awaits(gather([sleep(secs(10))])))));
        let group_of_a_sleep = group(vec![coroutine(|| sleep(secs(10)).co_await()).boxed()]);
        await!(count("cancelled in a group".into(), cancelled_later(group_of_a_sleep)));
        await!(count("cancelled in wait".into(), cancelled_later(wait([soon_future()]))));
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
