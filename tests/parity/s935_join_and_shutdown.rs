//! `Queue.join` meets `task_done`, `shutdown` and cancellation; get and put race with a shutdown in one round.

use crate::harness::{run, show, trace};
use coro_core::{Queue, QueueShutDown, ValueError, prelude::*};
use std::fmt::Debug;
use std::rc::Rc;

/// Says what came of waiting for a queue.
fn told<T>(name: &str, result: Result<T>, done: impl FnOnce(T)) -> Result<()> {
    match result {
        Err(e) if e.is_cancelled() => {
            trace!("{name} cancelled");
            raise!(e);
        }
        Err(e) if e.is::<QueueShutDown>() => trace!("{name} shut down"),
        other => done(other?),
    }
    Ok(())
}

async_fn! {
    async fn joins<T: 'static>(name: &'static str, queue: Rc<Queue<T>>) {
        told(name, try_await!(queue.join()), |()| trace!("{name} joined"))?;
    }

    async fn gets<T: Debug + 'static>(name: &'static str, queue: Rc<Queue<T>>) {
        told(name, try_await!(queue.get()), |item| trace!("{name} got {}", plain(&item)))?;
    }

    async fn puts(name: &'static str, queue: Rc<Queue<&'static str>>, item: &'static str) {
        told(name, try_await!(queue.put(item)), |()| trace!("{name} put"))?;
    }

    async fn rounds(n: u32) {
        for _ in 0..n {
            await!(sleep(secs(0)));
        }
    }

    async fn main() {
        let queue = Rc::new(Queue::unbounded());
        queue.put_nowait(1)?;
        queue.put_nowait(2)?;
        let [a, b] = ["a", "b"].map(|name| create_task(joins(name, Rc::clone(&queue))));
        await!(rounds(1));
        queue.get_nowait()?;
        queue.task_done()?;
        trace!("one left {queue:?}");
        a.cancel();
        await!(rounds(1));
        queue.get_nowait()?;
        queue.task_done()?;
        b.cancel();
        await!(rounds(2));
        trace!("{} {} {queue:?}", a.cancelled(), b.cancelled());
        // Joined and then more: who was woken goes on.
        queue.put_nowait(3)?;
        let c = create_task(joins("c", Rc::clone(&queue)));
        await!(rounds(1));
        queue.get_nowait()?;
        queue.task_done()?;
        queue.put_nowait(4)?;
        await!(rounds(2));
        trace!("c done {} {queue:?}", c.done());
        // A shutdown lets join wait for what is left; an immediate one drops it.
        let d = create_task(joins("d", Rc::clone(&queue)));
        await!(rounds(1));
        queue.shutdown(false);
        await!(rounds(2));
        trace!("d done {} {queue:?}", d.done());
        queue.get_nowait()?;
        queue.task_done()?;
        await!(rounds(2));
        trace!("d done {}", d.done());
        let queue = Rc::new(Queue::unbounded());
        for i in 0..3 {
            queue.put_nowait(i)?;
        }
        let e = create_task(joins("e", Rc::clone(&queue)));
        await!(rounds(1));
        queue.get_nowait()?;
        queue.shutdown(true);
        await!(rounds(2));
        trace!("e done {} {queue:?}", e.done());
        queue.task_done()?;
        await!(rounds(2));
        trace!("e done {}", e.done());
        match queue.task_done() {
            Err(e) if e.is::<ValueError>() => trace!("{}", show(&e)),
            other => other?,
        }
        // A put and a shutdown in one round: the getter that was woken finds its item, or not.
        for immediate in [false, true] {
            let queue = Rc::new(Queue::unbounded());
            let tasks = ["first", "second"].map(|name| create_task(gets(name, Rc::clone(&queue))));
            await!(rounds(1));
            queue.put_nowait("item")?;
            queue.shutdown(immediate);
            await!(rounds(3));
            trace!("{immediate} {:?} {queue:?}", tasks.map(|t| t.done()));
        }
        // A get and a shutdown in one round: the putter that was woken.
        for immediate in [false, true] {
            let queue = Rc::new(Queue::bounded(1));
            queue.put_nowait("full")?;
            let put = |(name, item)| create_task(puts(name, Rc::clone(&queue), item));
            let tasks = [("first", "x"), ("second", "y")].map(put);
            await!(rounds(1));
            trace!("{}", queue.get_nowait()?);
            queue.shutdown(immediate);
            await!(rounds(3));
            trace!("{immediate} {:?} {queue:?}", tasks.map(|t| t.done()));
        }
        // A shutdown and a cancellation in one round.
        for order in [0, 1] {
            let queue = Rc::new(Queue::<u32>::unbounded());
            let task = create_task(gets("getter", Rc::clone(&queue)));
            await!(rounds(1));
            for step in [order, 1 - order] {
                match step {
                    0 => queue.shutdown(false),
                    _ => drop(task.any_task().cancel().then_some(())),
                }
            }
            await!(rounds(2));
            trace!("{order} {} {queue:?}", task.cancelled());
        }
        // Shut down twice, the second time at once.
        let queue = Queue::bounded(2);
        queue.put_nowait(1)?;
        queue.shutdown(false);
        let calls: [&dyn Fn() -> Result<()>; 3] = [
            &|| queue.put_nowait(2),
            &|| {
                queue.shutdown(true);
                Ok(())
            },
            &|| queue.get_nowait().map(drop),
        ];
        for call in calls {
            match call() {
                Err(e) if e.is::<QueueShutDown>() => trace!("QueueShutDown {}", queue.qsize()),
                other => trace!("{:?} {}", other?, queue.qsize()),
            }
        }
    }
}

/// As `str()` shows it.
fn plain(item: &impl Debug) -> String {
    format!("{item:?}").trim_matches('"').to_owned()
}

pub fn scenario() -> Result<()> {
    run(main())
}
