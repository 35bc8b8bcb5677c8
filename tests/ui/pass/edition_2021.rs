//~ edition: 2021
// The DSL in a crate of the edition before, where `gen` is a name and captures differ.
use coro_core::prelude::*;

async_fn! {
    async fn boil(gen: &str, times: u32) -> String {
        await!(sleep(millis(1)));
        gen.repeat(times as usize)
    }

    fn letters(text: &str) yields char -> usize {
        for letter in text.chars() { yield!(letter); }
        text.len()
    }

    async fn eggs(amount: u32) yields u32 {
        for egg in 1..=amount { await!(sleep(millis(1))); yield!(egg); }
    }

    async fn cook() -> Result<u32> {
        let lock = Lock::new(0);
        'eggs: async for egg in eggs(5) {
            async with &lock as mut total {
                if egg == 4 { break 'eggs; }
                *total += egg;
            }
        }
        let mut count = 0;
        async for letter in letters("egg") { if letter == 'g' { count += 1; } }
        let text = await!(boil("ab", 2));
        if text != "abab" { raise!("wrong: {text}"); }
        let total = *await!(lock.lock());
        Ok(total + count)
    }
}

#[stackful]
async fn twice() -> u32 {
    cook().await + cook().await
}

#[coro_core::main]
async fn main() {
    assert_eq!(twice().await, 16);
}
