// Functions of the DSL that come out of another macro, with its fragments.
use coro_core::prelude::*;

macro_rules! boilers {
    ($($(#[$meta:meta])* $vis:vis $name:ident($($arg:ident: $ty:ty),*) -> $out:ty = $value:expr, $done:block;)+) => {
        async_fn! {
            $($(#[$meta])* $vis async fn $name($($arg: $ty),*) -> $out {
                let value = await!(ready($value));
                if value > 100 { return 100; }
                $done
                value
            })+
        }
    };
}

async_fn! {
    async fn ready<T>(value: T) -> T {
        await!(sleep(millis(1)));
        value
    }
}

boilers! {
    /// Documented.
    pub one(n: u32) -> u32 = n + 1, { println!("one"); };
    two(a: u32, b: u32) -> u32 = a * b, {};
}

macro_rules! each {
    ($pattern:pat in $source:expr => $body:block) => {
        async_fn! {
            async fn each() -> Vec<u32> {
                let mut seen = Vec::new();
                let mut push = |n| seen.push(n);
                async for $pattern in $source { let n: u32 = $body; push(n); }
                seen
            }
        }
    };
}

async_fn! {
    async fn pairs() yields (u32, u32) { yield!((1, 2)); yield!((3, 4)); }
}

each! { (a, b) in pairs() => { a * b } }

#[coro_core::main]
async fn main() {
    assert_eq!((one(1).await, two(3, 4).await, two(30, 40).await), (2, 12, 100));
    assert_eq!(each().await, [2, 12]);
}
