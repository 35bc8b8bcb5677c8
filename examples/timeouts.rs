//! Time limits: `wait_for` on an awaitable, `timeout` around a block, `shield` for what must not be cut short.
//!
//! ```sh
//! cargo run --example timeouts
//! ```
//! ```text
//! in time: report
//! too slow: timed out
//! 2 parts were saved before it timed out
//! reached the limit that was moved: false
//! waiting was cut short: true
//! still saved: report
//! ```
use coro_core::{Timeout, prelude::*};

async_fn! {
    async fn save(delay: Duration) -> &'static str {
        await!(sleep(delay));
        "report"
    }

    async fn program() {
        println!("in time: {}", await!(wait_for(save(millis(100)), millis(200))));

        match try_await!(wait_for(save(secs(60)), millis(200))) {
            Err(error) if error.is_timeout() => println!("too slow: {error}"),
            other => println!("{other:?}"),
        }

        let mut saved = 0;
        let limited = timeout(millis(250), || { // a block on this very stack: it borrows freely
            for _ in 0..10 {
                save(millis(100)).co_await()?;
                saved += 1;
            }
            Ok(())
        });
        println!("{saved} parts were saved before it {}", limited.unwrap_err());

        let limit = Timeout::new(millis(100));
        async with limit.clone() {
            limit.reschedule(Some(get_running_loop()?.time() + secs(1)))?;
            await!(save(millis(200)));
        }
        println!("reached the limit that was moved: {}", limit.expired());

        let saving = create_task(save(millis(200)));
        let waiting = try_await!(wait_for(shield(saving.future()), millis(100)));
        println!("waiting was cut short: {}", waiting.is_err());
        println!("still saved: {}", await!(saving));
    }
}

fn main() -> Result<()> {
    coro_core::run(program())
}
