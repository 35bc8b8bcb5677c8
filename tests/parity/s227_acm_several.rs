//! Several managers in one async with: the second's enter failing still exits the first.

use crate::harness::{KeyError, OSError, run, show, trace};
use coro_core::{ValueError, prelude::*};

struct Manager {
    name: &'static str,
    fail_enter: bool,
    fail_exit: bool,
}

impl Manager {
    fn new(name: &'static str) -> Self {
        Self { name, fail_enter: false, fail_exit: false }
    }
}

impl AsyncContextManager for Manager {
    type Value = &'static str;

    fn aenter(&mut self) -> Result<&'static str> {
        sleep(secs(1)).co_await()?;
        trace!("enter {}", self.name);
        if self.fail_enter {
            raise!(KeyError::new(self.name));
        }
        Ok(self.name)
    }

    fn aexit(&mut self, error: Option<&Error>) -> Result<bool> {
        sleep(secs(1)).co_await()?;
        trace!("exit {} {}", self.name, error.map_or_else(|| "None".to_owned(), show));
        match error {
            // Python keeps what is being handled by itself.
            Some(error) if self.fail_exit => raise!(Error::caused_by(OSError::new(self.name), error.clone())),
            _ => Ok(false),
        }
    }
}

async_fn! {
    async fn second_fails_to_enter() {
        let d = Manager { fail_enter: true, ..Manager::new("d") };
        async with Manager::new("c"), d {
            trace!("not reached");
        }
    }

    async fn both_fail_to_exit() {
        let [e, f] = ["e", "f"].map(|name| Manager { fail_exit: true, ..Manager::new(name) });
        async with e, f {
            raise!(ValueError::new("body"));
        }
    }

    async fn main() {
        async with Manager::new("a") as a, Manager::new("b") as b {
            trace!("body {a} {b}");
        }
        match try_await!(second_fails_to_enter()) {
            Err(e) if e.is::<KeyError>() => trace!("{}", show(&e)),
            other => other?,
        }
        let Err(e) = try_await!(both_fail_to_exit()) else { return };
        let context = e.cause().ok_or(e.clone())?;
        trace!("{} <- {} <- {}", show(&e), show(context), context.cause().map(show).unwrap_or_default());
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
