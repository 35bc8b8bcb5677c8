//! If __aenter__ fails or is cancelled, __aexit__ is never called.

use crate::harness::{run, show, trace};
use coro_core::{ValueError, prelude::*, wait};

struct Manager(&'static str);

impl AsyncContextManager for Manager {
    type Value = ();

    fn aenter(&mut self) -> Result<()> {
        trace!("enter");
        if self.0 == "fail" {
            raise!(ValueError::new("enter failed"));
        }
        sleep(secs(10)).co_await()
    }

    fn aexit(&mut self, _error: Option<&Error>) -> Result<bool> {
        trace!("exit");
        Ok(false)
    }
}

async_fn! {
    async fn enters(how: &'static str) {
        async with Manager(how) {
            trace!("body");
        }
    }

    async fn main() {
        match try_await!(enters("fail")) {
            Err(e) if e.is::<ValueError>() => trace!("{}", show(&e)),
            other => other?,
        }
        let task = create_task(enters("slow"));
        await!(sleep(secs(1)));
        task.cancel();
        await!(wait([&task]));
        trace!("cancelled {}", task.cancelled());
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
