//! Eager tasks: failing at once, cancelled in their first step, seen from outside, in gather, wait and groups.

use crate::harness::{args, repr, run, show, trace};
use coro_core::{
    AnyTask, Future, ReturnWhen, ValueError, as_completed, current_task, gather_return_exceptions,
    prelude::*, wait,
};

async_fn! {
    async fn fails(text: &'static str) -> &'static str {
        raise!(ValueError::new(text));
    }

    async fn cancels_itself(suspend: bool) -> &'static str {
        let me = current_task().expect("runs in a task");
        me.cancel_with("myself");
        trace!("cancelling {}", me.cancelling());
        if suspend {
            match try_await!(sleep(secs(0))) {
                Err(e) if e.is_cancelled() => {
                    trace!("raised {}", args(&e));
                    raise!(e);
                }
                other => other?,
            }
        }
        "done"
    }

    async fn cancels(other: AnyTask) {
        trace!("cancel gives {}", other.cancel_with("by a child"));
    }

    async fn sets(future: Future<&'static str>) {
        future.set_result("set by an eager task")?;
    }

    async fn waits<A: Awaitable + 'static>(future: A) -> A::Output {
        await!(future)
    }

    async fn after<T: 'static>(delay: u64, value: T) -> T {
        await!(sleep(secs(delay)));
        value
    }

    async fn cancelled_by_child() {
        let me = current_task().expect("runs in a task");
        await!(create_task(cancels(me)));
        trace!("awaiting a done task does not suspend");
        await!(sleep(secs(0)));
    }

    async fn limited() {
        async with Timeout::new(secs(1)) {
            await!(create_task(waits(sleep(secs(2)))));
        }
    }

    async fn main() {
        let event_loop = get_running_loop()?;
        event_loop.set_eager_tasks(true);
        let task = create_task(fails("at once"));
        trace!("{} {}", task.done(), task.exception()?.map_or_else(String::new, |e| show(&e)));
        match try_await!(create_task(fails("awaited"))) {
            Err(e) if e.is::<ValueError>() => trace!("{}", show(&e)),
            other => drop(other?),
        }
        for suspend in [false, true] {
            let task = create_task(cancels_itself(suspend));
            trace!("done {} cancelled {}", task.done(), task.cancelled());
            await!(wait([&task]));
            trace!("done {} cancelled {}", task.done(), task.cancelled());
        }
        await!(nested(2));
        // The creator is cancelled in its child's first step: it is raised at its next await.
        match try_await!(cancelled_by_child()) {
            Err(e) if e.is_cancelled() => {
                trace!("main {} {}", args(&e), current_task().map_or(9, |me| me.uncancel()));
            }
            other => other?,
        }
        event_loop.call_soon(|| trace!("a round"));
        // A child done by one made after it: gather hears of it in the next round.
        let future = event_loop.create_future();
        let gathered = gather((future.clone(), sets(future.clone())));
        trace!("gathered: {} {}", gathered.done(), future.done());
        let (text, none) = await!(gathered);
        trace!("['{text}', {none:?}]");
        let gathered = gather((waits(after(1, "slow")), fails("in gather")));
        let error = gathered.any().exception();
        trace!("failed at creation: {} {}", gathered.done(), error.map_or_else(String::new, |e| show(&e)));
        let all = [fails("first").boxed(), cancels_itself(false).boxed(), fails("last").boxed()];
        let gathered = gather_return_exceptions(all);
        let done = gathered.done();
        let results: Vec<_> = await!(gathered).into_iter().map(|r| r.map_or_else(|e| repr(&e), str::to_owned)).collect();
        trace!("all there: {done} {results:?}");
        // One future, two eager awaiters, and a callback.
        let future = event_loop.create_future();
        let tasks = [0, 1].map(|_| create_task(waits(future.clone())));
        future.add_done_callback(|f| trace!("callback {}", f.result().unwrap_or_default()));
        await!(create_task(sets(future.clone())));
        trace!("{:?}", tasks.each_ref().map(|t| t.done()));
        trace!("{} {}", await!(&tasks[0]), await!(&tasks[1]));
        let mut pair = None;
        async with TaskGroup::new() as tg {
            let one = tg.create_task(nested(0));
            let two = tg.create_task(waits(shield(one.future())));
            let cancelling = current_task().map_or(9, |me| me.cancelling());
            trace!("{:?} {cancelling}", [one.done(), two.done()]);
            pair = Some([one, two]);
        }
        trace!("{:?}", pair.map_or([false, false], |pair| pair.map(|t| t.done())));
        let tasks = [0, 1, 2].map(|n| create_task(waits(after(0, n))));
        let (done, pending) = await!(wait(tasks).return_when(ReturnWhen::FirstCompleted));
        trace!("{} {}", done.len(), pending.len());
        match try_await!(limited()) {
            Err(e) if e.is_timeout() => trace!("the limit reaches the eager task"),
            other => other?,
        }
        for nearest in as_completed([waits(after(1, "later")), waits(after(0, "now"))]) {
            trace!("{}", await!(nearest));
        }
    }
}

fn nested(depth: u32) -> BoxCoroutine<()> {
    let body = move || {
        trace!("in {depth}");
        match depth {
            0 => sleep(secs(0)).co_await()?,
            _ => create_task(nested(depth - 1)).co_await()?,
        }
        trace!("out {depth}");
        Ok(())
    };
    coroutine(body).boxed()
}

pub fn scenario() -> Result<()> {
    run(main())
}
