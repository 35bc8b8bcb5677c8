//! pop_all moves the cleanups away; aclose runs them; errors in cleanups chain up.

use crate::harness::{KeyError, run, show, trace};
use coro_core::{AsyncExitStack, ValueError, prelude::*};

async_fn! {
    async fn cleanup(name: &'static str) {
        await!(sleep(secs(1)));
        trace!("cleanup {name}");
    }

    async fn fails(name: &'static str) {
        raise!(KeyError::new(name));
    }

    async fn block() {
        async with AsyncExitStack::new() as stack {
            stack.callback(|| cleanup("first").co_await());
            stack.callback(|| fails("one").co_await());
            stack.callback(|| fails("two").co_await());
            raise!(ValueError::new("body"));
        }
    }

    async fn main() {
        let mut kept = AsyncExitStack::new();
        async with AsyncExitStack::new() as stack {
            stack.callback(|| cleanup("a").co_await());
            stack.callback(|| cleanup("b").co_await());
            kept = stack.pop_all();
            trace!("moved");
        }
        trace!("block left");
        kept.aclose()?;
        match try_await!(block()) {
            Err(e) if e.is::<KeyError>() => {
                let cause = |error: &Error| error.cause().cloned().unwrap_or_else(|| Error::msg("no cause"));
                let (first, second) = (cause(&e), cause(&cause(&e)));
                trace!("{} <- {} <- {}", show(&e), show(&first), show(&second));
            }
            other => other?,
        }
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
