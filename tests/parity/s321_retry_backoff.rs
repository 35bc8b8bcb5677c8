//! A client that retries with growing pauses under one overall limit.

use crate::harness::{ConnectionError, run, show, trace};
use coro_core::{prelude::*, timeout};

struct Flaky {
    failures: u32,
}

impl Flaky {
    fn call(&mut self) -> Result<&'static str> {
        sleep(millis(500)).co_await()?;
        if self.failures > 0 {
            self.failures -= 1;
            raise!(ConnectionError::new("flaky"));
        }
        Ok("answer")
    }
}

fn attempts(mut service: Flaky) -> Result<&'static str> {
    let mut pause = 1;
    loop {
        match service.call() {
            Err(e) if e.is::<ConnectionError>() => {
                trace!("{} pause {pause}", show(&e));
                sleep(secs(pause)).co_await()?;
                pause *= 2;
            }
            other => return other,
        }
    }
}

fn retry(service: Flaky, limit: Duration) -> Result<&'static str> {
    match timeout(limit, || attempts(service)) {
        Err(e) if e.is_timeout() => Ok("gave up"),
        other => other,
    }
}

async_fn! {
    async fn main() {
        trace!("{}", retry(Flaky { failures: 2 }, secs(10))?);
        trace!("{}", retry(Flaky { failures: 9 }, secs(10))?);
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
