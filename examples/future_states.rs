//! `Future`: a result that is set once, and that many can await.
//!
//! ```sh
//! cargo run --example future_states
//! ```
//! ```text
//! <Future pending>
//! result: Result is not set.
//! a got Task Completed
//! b got Task Completed
//! <Future finished result="Task Completed">
//! once more: invalid state
//! failed: the oven is cold
//! cancelled: true, again: false
//! ```
use coro_core::{Future, prelude::*};

async_fn! {
    async fn wait_for_it(name: char, future: Future<&'static str>) {
        println!("{name} got {}", await!(future));
    }

    async fn program() {
        let future = Future::new();
        println!("{future:?}");
        if let Err(error) = future.result() {
            println!("result: {error}");
        }

        let setter = future.clone(); // another handle on the same future
        get_running_loop()?.call_later(millis(200), move || setter.set_result("Task Completed").unwrap());
        await!(gather(['a', 'b'].map(|name| wait_for_it(name, future.clone()))));
        println!("{future:?}");
        if let Err(error) = future.set_result("again") {
            println!("once more: {error}");
        }

        let failed = Future::<()>::new();
        failed.set_exception(Error::msg("the oven is cold"))?;
        if let Err(error) = try_await!(failed) {
            println!("failed: {error}");
        }

        let future = Future::<()>::new();
        println!("cancelled: {}, again: {}", future.cancel(), future.cancel());
    }
}

fn main() -> Result<()> {
    coro_core::run(program())
}
