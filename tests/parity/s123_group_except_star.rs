//! except* picks by type from nested groups; what nobody picks goes on.

use crate::harness::{KeyError, LookupError, OSError, run, show, trace};
use coro_core::{ValueError, prelude::*};

async_fn! {
    async fn fails(exc: Error) {
        await!(sleep(secs(0)));
        raise!(exc)
    }

    async fn inner() {
        async with TaskGroup::new() as tg {
            tg.create_task(fails(ValueError::new("v1").into()));
            tg.create_task(fails(KeyError::new("k1").into()));
        }
    }

    async fn outer() {
        async with TaskGroup::new() as tg {
            tg.create_task(inner());
            tg.create_task(fails(OSError::new("o1").into()));
            tg.create_task(fails(ValueError::new("v2").into()));
        }
    }

    async fn main() {
        let Err(e) = try_await!(outer()) else { return };
        let group = e.downcast_ref::<ErrorGroup>().ok_or(e.clone())?;
        let (values, rest) = group.split(|e| e.is::<ValueError>());
        trace!("ValueError: {:?}", sorted(flat(values.as_ref())));
        let (os, rest) = rest.map_or((None, None), |rest| rest.split(|e| e.is::<OSError>()));
        trace!("OSError: {:?}", sorted(flat(os.as_ref())));
        let keys = rest.and_then(|rest| rest.subgroup(|e| e.is::<KeyError>()));
        trace!("left over: {:?}", sorted(flat(keys.as_ref())));
        let nested = vec![LookupError::new("2").into(), ValueError::new("3").into()];
        let nested = Error::new(ErrorGroup::new("h", nested));
        let group = ErrorGroup::new("g", vec![ValueError::new("1").into(), nested]);
        let (matching, rest) = group.split(|e| e.is::<ValueError>());
        let none = group.subgroup(|e| e.is::<OSError>());
        trace!("{:?} {:?} {none:?}", flat(matching.as_ref()), flat(rest.as_ref()));
    }
}

fn flat(group: Option<&ErrorGroup>) -> Vec<String> {
    let one = |e: &Error| match e.downcast_ref::<ErrorGroup>() {
        Some(group) => flat(Some(group)),
        None => vec![show(e)],
    };
    group.iter().flat_map(|group| group.errors()).flat_map(one).collect()
}

fn sorted(mut texts: Vec<String>) -> Vec<String> {
    texts.sort();
    texts
}

pub fn scenario() -> Result<()> {
    run(main())
}
