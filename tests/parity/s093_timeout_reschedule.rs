//! A running timeout can be moved later, sooner or away; when() tells its time.

use crate::harness::{run, show, trace};
use coro_core::{RuntimeError, Timeout, prelude::*};

async_fn! {
    async fn moved_later(cm: Timeout) {
        let event_loop = get_running_loop()?;
        async with cm.clone() {
            trace!("when {:?}", (cm.when().unwrap_or_default() - event_loop.time()).as_secs_f64());
            cm.reschedule(Some(event_loop.time() + secs(3)))?;
            await!(sleep(secs(2)));
            trace!("still here");
            await!(sleep(secs(2)));
            trace!("not reached");
        }
    }

    async fn struck_at_once(cm: Timeout) {
        async with cm.clone() {
            cm.reschedule(Some(get_running_loop()?.time() - secs(1)))?;
            await!(sleep(secs(5)));
        }
    }

    async fn main() {
        let cm = Timeout::new(secs(1));
        match try_await!(moved_later(cm.clone())) {
            Err(e) if e.is_timeout() => trace!("timed out {}", cm.expired()),
            other => other?,
        }
        async with Timeout::new(secs(1)) as cm {
            cm.reschedule(None)?;
            trace!("when {:?}", cm.when());
            await!(sleep(secs(5)));
        }
        trace!("no limit was reached");
        let cm = Timeout::at(None);
        match try_await!(struck_at_once(cm.clone())) {
            Err(e) if e.is_timeout() => trace!("a past time strikes at once"),
            other => other?,
        }
        match cm.reschedule(Some(get_running_loop()?.time() + secs(1))) {
            Err(e) if e.is::<RuntimeError>() => trace!("{}", show(&e)),
            other => other?,
        }
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
