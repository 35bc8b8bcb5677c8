//! A cancel from outside meets an error inside: the group comes out, and the request stays counted.

use crate::harness::{repr, run, trace};
use coro_core::{ValueError, current_task, prelude::*, wait};

fn requests() -> usize {
    current_task().map(|me| me.cancelling()).unwrap_or_default()
}

async_fn! {
    async fn fails() {
        raise!(ValueError::new("child"))
    }

    async fn group() {
        async with TaskGroup::new() as tg {
            tg.create_task(fails());
            await!(sleep(secs(100)));
        }
    }

    async fn work(after: bool) -> &'static str {
        match try_await!(group()) {
            Err(e) if e.is::<ErrorGroup>() => {
                let group = e.downcast_ref::<ErrorGroup>().ok_or(e.clone())?;
                let errors: String = group.errors().iter().map(|e| format!("{},", repr(e))).collect();
                trace!("group ({errors}) requests {}", requests());
            }
            other => other?,
        }
        if after {
            match try_await!(sleep(secs(1))) {
                Err(e) if e.is_cancelled() => {
                    trace!("the next await is cancelled; requests {}", requests());
                    raise!(e)
                }
                other => other?,
            }
            trace!("slept");
        }
        "ended"
    }

    async fn main() {
        for (cancel, after) in [(false, true), (true, true), (true, false)] {
            let task = create_task(work(after));
            await!(sleep(secs(0)));
            if cancel {
                task.cancel();
            }
            await!(wait([&task]));
            let (cancelled, requests) = (task.cancelled(), task.cancelling());
            trace!("cancel {cancel} after {after} cancelled: {cancelled} {requests}");
        }
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
