//! Two tasks cannot step one asynchronous generator at the same time, nor close it meanwhile.

use crate::harness::{KeyError, run, show, trace};
use coro_core::{RuntimeError, prelude::*};
use std::fmt::Display;

async_fn! {
    async fn slow() yields u32 {
        await!(sleep(secs(1)));
        yield!(1);
        await!(sleep(secs(1)));
        yield!(2);
    }

    async fn step<T: Display>(name: &'static str, make: impl FnOnce() -> Result<T>) {
        match make() {
            Ok(value) => trace!("{name} {value}"),
            Err(e) if e.is::<RuntimeError>() => trace!("{name} {}", show(&e)),
            Err(e) => raise!(e),
        }
    }

    async fn main() {
        let agen = slow().shared();
        let (mut first, mut second) = (agen.clone(), agen.clone());
        let (asend, aclose, athrow) = (agen.clone(), agen.clone(), agen.clone());
        await!(gather((
            step("first", move || first.anext().map(Option::unwrap_or_default)),
            step("second", move || second.anext().map(Option::unwrap_or_default)),
            step("asend", move || asend.asend(()).map(Option::unwrap_or_default)),
            step("aclose", move || aclose.aclose().map(|()| "closed")),
            step("athrow", move || athrow.athrow(KeyError::new("k").into()).map(Option::unwrap_or_default)),
        )));
        trace!("still good: {}", coro_core::anext(&mut agen.clone())?);
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
