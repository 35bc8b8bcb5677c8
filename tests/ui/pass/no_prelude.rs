// The macros need nothing in scope, and stand names that hide those of the standard library.
#![allow(dead_code, unused_imports)]

mod core {}
mod std {}
enum Own {
    Ok,
    Err,
    Some,
    None,
}
use Own::{Err, None, Ok, Some};
struct Result;
struct Option;
trait Awaitable {}
trait From {}

coro_core::async_fn! {
    async fn boil(egg: u32) -> u32 {
        await!(coro_core::sleep(coro_core::millis(1)));
        coro_core::sleep(coro_core::millis(1)).await;
        egg
    }

    async fn eggs() yields u32 { yield!(1); yield!(2); }

    async fn cook() -> u32 {
        let lock = coro_core::Lock::new(0);
        async for egg in eggs() {
            async with &lock as mut total { *total += egg; if egg == 2 { return *total; } }
        }
        raise!("not here")
    }
}

#[coro_core::stackful]
async fn twice() -> u32 {
    cook().await + boil(1).await
}

#[coro_core::main]
async fn main() {
    assert_eq!(twice().await, 4);
}
