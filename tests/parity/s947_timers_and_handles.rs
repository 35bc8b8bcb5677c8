//! Order and cancellation of timers and handles; what they tell.

use crate::harness::{block, run, trace};
use coro_core::{Handle, TimerHandle, prelude::*};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

type Timers = Rc<RefCell<BTreeMap<&'static str, TimerHandle>>>;
type Handles = Rc<RefCell<BTreeMap<&'static str, Handle>>>;

fn say(text: &'static str) -> impl FnOnce() {
    move || trace!("{text}")
}

fn again(n: u32) {
    trace!("again {n}");
    if n > 0 {
        let event_loop = get_running_loop().expect("it runs this");
        event_loop.call_later(secs(1), move || again(n - 1));
    }
}

const RUNS: [(&str, Option<&str>); 3] = [("x", Some("y")), ("y", None), ("z", Some("x"))];

async_fn! {
    async fn main() {
        let event_loop = get_running_loop()?;
        let start = event_loop.time();
        event_loop.call_later(secs(2), say("2 first"));
        event_loop.call_at(start + secs(2), say("2 second"));
        event_loop.call_later(secs(1), say("1"));
        let a = event_loop.call_later(secs(2), say("2 cancelled"));
        let cancel = a.clone();
        event_loop.call_later(secs(1), move || cancel.cancel());
        event_loop.call_at(start.saturating_sub(secs(5)), say("in the past"));
        event_loop.call_later(secs(0), say("0"));
        event_loop.call_soon(say("soon"));
        let b = event_loop.call_soon(say("soon, cancelled"));
        b.cancel();
        trace!("{} {} {}", a.cancelled(), b.cancelled(), a.when() == start + secs(2));
        await!(sleep(secs(3)));
        trace!("a {}", a.cancelled());
        // Cancelled by one of the same moment, before and after it.
        let timers = Timers::default();
        for (name, victim) in RUNS {
            let all = Rc::clone(&timers);
            let timer = event_loop.call_later(secs(1), move || {
                trace!("runs {name}");
                if let Some(victim) = victim {
                    all.borrow()[victim].cancel();
                }
            });
            timers.borrow_mut().insert(name, timer);
        }
        await!(sleep(secs(2)));
        trace!("{:?}", timers.borrow().values().map(TimerHandle::cancelled).collect::<Vec<_>>());
        // The same with handles of one round.
        let handles = Handles::default();
        for (name, victim) in RUNS {
            let all = Rc::clone(&handles);
            let handle = event_loop.call_soon(move || {
                trace!("runs {name}");
                if let Some(victim) = victim {
                    all.borrow()[victim].cancel();
                }
            });
            handles.borrow_mut().insert(name, handle);
        }
        await!(sleep(secs(0)));
        trace!("{:?}", handles.borrow().values().map(Handle::cancelled).collect::<Vec<_>>());
        // A callback that sets the next one; one that cancels itself.
        again(2);
        let own = Rc::new(RefCell::new(None::<TimerHandle>));
        let itself = Rc::clone(&own);
        let timer = event_loop.call_later(secs(1), move || {
            let own = itself.take().expect("it was put there");
            own.cancel();
            trace!("cancelled while it runs {}", own.cancelled());
        });
        own.replace(Some(timer));
        await!(sleep(secs(4)));
        // Many timers of one moment, most of them cancelled.
        let order = Rc::new(RefCell::new(Vec::new()));
        let timer = |i| {
            let order = Rc::clone(&order);
            event_loop.call_later(secs(1), move || order.borrow_mut().push(i))
        };
        for (i, timer) in (0..300).map(timer).enumerate() {
            if i % 3 != 0 {
                timer.cancel();
                timer.cancel();
            }
        }
        await!(sleep(secs(2)));
        trace!("{} {:?} {}", order.borrow().len(), &order.borrow()[..4], order.borrow().is_sorted());
        // Time goes on in a sleep of nothing only if there is nothing else to do.
        let before = event_loop.time();
        let passed = || trace!("{:?}", (event_loop.time() - before).as_secs_f64());
        for _ in 0..10 {
            await!(sleep(secs(0)));
        }
        passed();
        block(secs(2));
        passed();
        event_loop.call_later(secs(1), say("after the blocking"));
        block(secs(5));
        trace!("blocked past it");
        await!(sleep(secs(0)));
        trace!("a round later");
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
