//! An asynccontextmanager as a decorator enters anew at each call; stop errors pass through.

use crate::harness::{run, show, trace};
use coro_core::{RuntimeError, StopAsyncIteration, StopIteration, prelude::*};

async_fn! {
    async fn around(name: &'static str) yields () {
        trace!("enter {name}");
        let left = try_yield!(());
        trace!("exit {name}");
        left?;
    }

    /// A function that enters anew at each call takes the place of a decorated one.
    async fn work(n: u32) -> u32 {
        async with context_manager(around("deco")) {
            await!(sleep(secs(1)));
        }
        n
    }

    async fn main() {
        let first = await!(work(1));
        trace!("{first} {}", await!(work(2)));
        for exc in [Error::new(StopAsyncIteration), Error::new(StopIteration)] {
            let Err(got) = raises(&exc) else { continue };
            trace!("out {} {}", show(&got), got.same(&exc));
        }
        let mut cm = context_manager(around("once"));
        async with &mut cm {}
        match cm.aenter() {
            Err(e) if e.is::<RuntimeError>() => trace!("using it twice is an error"),
            other => other?,
        }
    }
}

/// What `async with` does, in a function that is no coroutine: none lets a `StopIteration` out.
fn raises(exc: &Error) -> Result<()> {
    let mut manager = context_manager(around(exc.type_name()));
    manager.aenter()?;
    match manager.aexit(Some(exc))? {
        true => Ok(()),
        false => Err(exc.clone()),
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
