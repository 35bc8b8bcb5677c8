//! A queue's wake-up meets a cancellation in one round; priorities; what a queue tells of itself.

use crate::harness::{run, show, trace};
use coro_core::{LifoQueue, PriorityQueue, Queue, QueueEmpty, QueueFull, ValueError, prelude::*};
use std::rc::Rc;

async_fn! {
    async fn getter(name: &'static str, queue: Rc<Queue<u32>>) {
        match try_await!(queue.get()) {
            Err(e) if e.is_cancelled() => {
                trace!("{name} cancelled");
                raise!(e);
            }
            item => trace!("{name} got {}", item?),
        }
    }

    async fn putter(queue: Rc<Queue<&'static str>>, item: &'static str) {
        match try_await!(queue.put(item)) {
            Err(e) if e.is_cancelled() => {
                trace!("gave up {item}");
                raise!(e);
            }
            other => other?,
        }
        trace!("put {item}");
    }

    async fn limited(name: &'static str, queue: Rc<Queue<&'static str>>) {
        match try_await!(wait_for(queue.get(), secs(1))) {
            Err(e) if e.is_timeout() => trace!("{name} timed out"),
            item => trace!("{name} {}", item?),
        }
    }

    async fn getters() {
        let queue = Rc::new(Queue::unbounded());
        let tasks = ["a", "b", "c"].map(|n| create_task(getter(n, Rc::clone(&queue))));
        await!(sleep(secs(1)));
        trace!("{queue:?}");
        queue.put_nowait(1)?;
        trace!("{queue:?}");
        tasks[0].cancel();
        await!(sleep(secs(0)));
        trace!("one round later {queue:?}");
        await!(sleep(secs(1)));
        trace!("{queue:?}");
        // Taken by somebody who did not wait: the one that was woken waits again, as the last.
        let late = create_task(getter("late", Rc::clone(&queue)));
        await!(sleep(secs(0)));
        queue.put_nowait(2)?;
        trace!("taken at once: {}", queue.get_nowait()?);
        await!(sleep(secs(0)));
        queue.put_nowait(3)?;
        queue.put_nowait(4)?;
        await!(sleep(secs(1)));
        trace!("{:?} {} {queue:?}", tasks.map(|t| t.cancelled()), late.done());
    }

    async fn putters() {
        let queue = Rc::new(Queue::bounded(1));
        queue.put_nowait("first")?;
        let tasks = ["x", "y", "z"].map(|i| create_task(putter(Rc::clone(&queue), i)));
        await!(sleep(secs(0)));
        trace!("{queue:?}");
        trace!("got {}", queue.get_nowait()?);
        tasks[0].cancel();
        await!(sleep(secs(0)));
        trace!("one round later {queue:?}");
        await!(sleep(secs(0)));
        trace!("two rounds later {queue:?}");
        trace!("got {}", queue.get_nowait()?);
        queue.put_nowait("cuts in")?;
        await!(sleep(secs(0)));
        trace!("{queue:?}");
        trace!("got {}", queue.get_nowait()?);
        await!(sleep(secs(1)));
        trace!("got {} {queue:?}", queue.get_nowait()?);
    }

    async fn priorities() {
        let queue = PriorityQueue::unbounded();
        for item in [(2, "d"), (1, "b"), (3, "a"), (1, "a"), (2, "a"), (0, "z")] {
            queue.put_nowait(item)?;
        }
        trace!("{queue:?}");
        trace!("got {:?} {:?}", queue.get_nowait()?, await!(queue.get()));
        trace!("{queue:?}");
        queue.put_nowait((1, "c"))?;
        trace!("{queue:?}");
        match (0..8).try_for_each(|_| queue.task_done()) {
            Err(e) if e.is::<ValueError>() => trace!("{}", show(&e)),
            other => other?,
        }
        let queue = LifoQueue::bounded(2);
        queue.put_nowait(1)?;
        queue.put_nowait(2)?;
        let get_three = || (0..3).try_for_each(|_| queue.get_nowait().map(drop));
        let calls: [&dyn Fn() -> Result<()>; 2] = [&|| queue.put_nowait(3), &get_three];
        for call in calls {
            match call() {
                Err(e) if e.is::<QueueFull>() || e.is::<QueueEmpty>() => trace!("{} {queue:?}", show(&e)),
                other => other?,
            }
        }
    }

    async fn main() {
        await!(getters());
        await!(putters());
        await!(priorities());
        // The item comes in the round of the limit: before the timer's callback, and after it.
        let event_loop = get_running_loop()?;
        let queue = Rc::new(Queue::unbounded());
        let put = |item| {
            let queue = Rc::clone(&queue);
            move || queue.put_nowait(item).expect("there is room")
        };
        event_loop.call_later(secs(1), put("just in time"));
        await!(limited("before", Rc::clone(&queue)));
        let first = create_task(limited("after", Rc::clone(&queue)));
        await!(sleep(secs(0)));
        event_loop.call_later(secs(1), put("too late"));
        await!(first);
        trace!("left {queue:?}");
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
