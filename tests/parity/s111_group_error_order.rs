//! Errors of children are listed in the order in which they happened.

use crate::harness::{KeyError, run, show, trace};
use coro_core::{ValueError, prelude::*};

async_fn! {
    async fn fails(name: &'static str, delay: u64, cleanup: u64) {
        match try_await!(sleep(secs(delay))) {
            Err(e) if e.is_cancelled() => {
                await!(sleep(secs(cleanup)));
                raise!(KeyError::new(format!("{name} in cleanup")))
            }
            other => other?,
        }
        raise!(ValueError::new(name))
    }

    async fn group() {
        async with TaskGroup::new() as tg {
            tg.create_task(fails("a", 50, 3));
            tg.create_task(fails("b", 50, 1));
            tg.create_task(fails("c", 2, 0));
            tg.create_task(fails("d", 50, 2));
        }
    }

    async fn main() {
        let Err(e) = try_await!(group()) else { return };
        let group = e.downcast_ref::<ErrorGroup>().ok_or(e.clone())?;
        let (values, rest) = group.split(|e| e.is::<ValueError>());
        trace!("values {:?}", values.iter().flat_map(ErrorGroup::errors).map(show).collect::<Vec<_>>());
        let keys = rest.and_then(|rest| rest.subgroup(|e| e.is::<KeyError>()));
        trace!("keys {:?}", keys.iter().flat_map(ErrorGroup::errors).map(show).collect::<Vec<_>>());
        trace!("end");
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
