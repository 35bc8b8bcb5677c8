//! A job in an executor hands over its value or its error; the future can be cancelled in vain.

use crate::harness::{run, show, trace};
use coro_core::prelude::*;

fn divide(a: u32, b: u32) -> Result<f64> {
    if b == 0 {
        raise!(ZeroDivisionError);
    }
    Ok(f64::from(a) / f64::from(b))
}

#[derive(Debug, thiserror::Error)]
#[error("division by zero")]
struct ZeroDivisionError;

async_fn! {
    async fn main() {
        let event_loop = get_running_loop()?;
        trace!("{:?}", await!(event_loop.run_in_executor(|| divide(6, 3)))?);
        match await!(event_loop.run_in_executor(|| divide(1, 0))) {
            Err(e) if e.is::<ZeroDivisionError>() => trace!("{}", show(&e)),
            other => drop(other?),
        }
        let results = await!(gather((0..4).map(|i| event_loop.run_in_executor(move || divide(i, 2)))));
        trace!("{:?}", results.into_iter().collect::<Result<Vec<f64>>>()?);
        match try_await!(to_thread(|| -> f64 { panic!("cannot divide 'a'") })) {
            Err(e) if e.is_panic() => trace!("{}", e.type_name()),
            other => drop(other?),
        }
    }
}

pub fn scenario() -> Result<()> {
    run(main())
}
