//! `Runner`: several runs on one loop, in one context, whose variables stay.
//!
//! ```sh
//! cargo run --example runner
//! ```
//! ```text
//! hello, nobody
//! hello, ada
//! the same loop: true
//! hello, grace
//! outside: nobody
//! closed: true
//! late: Runner is closed
//! ```
use coro_core::{Context, ContextVar, EventLoop, Runner, prelude::*};

static USER: ContextVar<&str> = ContextVar::with_default("user", || "nobody");

async_fn! {
    /// Greets the present user, then sets the next one.
    async fn greet(next: &'static str) -> EventLoop {
        await!(sleep(millis(10)));
        println!("hello, {}", USER.get()?);
        USER.set(next);
        get_running_loop()?
    }
}

fn main() -> Result<()> {
    let mut runner = Runner::new();
    let first = runner.run(greet("ada"))?;
    let second = runner.run(greet("alan"))?;
    println!("the same loop: {}", first.same(&second));

    // A context of its own, in which another user was set.
    let context = Context::new();
    context.run(|| USER.set("grace"));
    runner.run_in(&context, greet("joan"))?;
    println!("outside: {}", USER.get()?);

    runner.close()?; // ends what is left, and closes the loop
    println!("closed: {}", first.is_closed());
    if let Err(error) = runner.run(greet("late")) {
        println!("late: {error}");
    }
    Ok(())
}
