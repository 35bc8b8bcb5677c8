//! A type of your own that can be awaited: Python's `__await__` is `Awaitable::co_await`, a plain function.
//!
//! ```sh
//! cargo run --example custom_awaitable
//! ```
//! ```text
//! Custom Awaitable Done
//! before: false
//! the other task runs
//! after: true
//! ["soft", "hard"]
//! ```
use coro_core::{Awaited, prelude::*, suspend};

struct CustomAwaitable;

impl Awaitable for CustomAwaitable {
    type Output = &'static str;

    fn co_await(self) -> Result<Self::Output> {
        sleep(millis(200)).co_await()?;
        Ok("Custom Awaitable Done")
    }
}

/// Lets every other ready task run once: a bare `yield` in `__await__`.
struct Pause;

impl Awaitable for Pause {
    type Output = ();

    fn co_await(self) -> Result<()> {
        suspend(Awaited::Yield)?;
        Ok(())
    }
}

/// An egg is awaited by boiling it, alone or in a `gather`.
struct Egg {
    soft: bool,
}

impl Awaitable for Egg {
    type Output = &'static str;

    fn co_await(self) -> Result<Self::Output> {
        sleep(millis(if self.soft { 100 } else { 200 })).co_await()?;
        Ok(if self.soft { "soft" } else { "hard" })
    }
}

async_fn! {
    async fn other() {
        println!("the other task runs");
    }

    async fn program() {
        println!("{}", await!(CustomAwaitable));

        let other = create_task(other());
        println!("before: {}", other.done());
        await!(Pause);
        println!("after: {}", other.done());

        println!("{:?}", await!(gather([Egg { soft: true }, Egg { soft: false }])));
    }
}

fn main() -> Result<()> {
    coro_core::run(program())
}
